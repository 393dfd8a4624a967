// SPDX-License-Identifier: MIT
// Model, preprocessor and engine together: pictures in, judgements out. The elements and ft-tool both call this one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resnetft/error.h"
#include "resnetft/image.h"
#include "resnetft/model.h"

namespace resnetft {

class Snapshot;
struct Device;

// One class and how sure the model is of it: `confidence` is the softmax of logits / temperature, 0 to 1.
struct ScoredClass {
  std::string label;
  int64_t label_id = 0;
  double confidence = 0;
};

// What the model says of one picture: the best classes, best first (ties: the lower id first).
struct Judgement {
  std::vector<ScoredClass> top;
  std::vector<float> logits;     // all classes, before temperature
  std::vector<float> embedding;  // the pooled features before the head
};

struct ClassifierOptions {
  std::string device = "auto";     // auto, cpu, cuda (the first GPU), cuda:N
  std::string precision = "auto";  // auto (fp32 on the CPU, fp16 on CUDA), fp32, bf16; on CUDA fp16 and tf32, too
  std::string engine = "auto";     // auto, onednn, cuda, reference
  int threads = 0;  // on the CPU; 0: one for each 10^8 multiply-adds of a batch, at most what the process may use
  int max_batch = 1;
  std::optional<ResizeMode> resize_mode;  // none: as the card says
  bool full_batches = false;  // nearly all will be of max_batch pictures: on a GPU, no smaller ones are prepared
  bool background = false;    // on a GPU, its work has the lowest priority instead of the highest
};

// One caller's: used by one thread at a time. Several on one snapshot share its engines and weights.
class Classifier {
 public:
  // Device auto is the GPU where there is one that can run this model, else the CPU, with one log line that says why;
  // an engine that is named decides. The errors of create_engine; InvalidArgument for a device or precision that is not
  // in the list (which it gives) or not the device's, DeviceUnavailable for a device that is named and missing.
  static Result<std::unique_ptr<Classifier>> create(std::shared_ptr<const Snapshot> snapshot,
                                                    const ClassifierOptions& options);
  ~Classifier();

  const Snapshot& snapshot() const;
  const ModelCard& card() const;
  std::string device_name() const;  // "cpu", "cuda:0"
  std::string engine_name() const;
  std::string precision_name() const;
  int threads() const;

  // One judgement for each picture, in order; `top_k` 0: all classes. Any number of pictures, split into batches.
  // Pictures in a GPU's memory are for device cuda only. The two times below are of the last call; on a GPU the first
  // is what the processor does to frames, and the kernels that preprocess them count for the second.
  Result<std::vector<Judgement>> classify(std::span<const ImageView> images, size_t top_k);
  int64_t preprocess_time_ns() const;
  int64_t inference_time_ns() const;

 private:
  struct State;
  explicit Classifier(std::unique_ptr<State> state);
  static Result<std::unique_ptr<Classifier>> create_on(std::shared_ptr<const Snapshot> snapshot,
                                                       const ClassifierOptions& options, const Device& device);
  std::unique_ptr<State> state_;
};

// A model with the engines that were made of it, one for each spec, shared by all who ask. Thread-safe.
class Snapshot {
 public:
  static std::shared_ptr<const Snapshot> create(std::shared_ptr<const Model> model);
  ~Snapshot();
  const Model& model() const;

 private:
  friend class Classifier;
  struct State;
  explicit Snapshot(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace resnetft
