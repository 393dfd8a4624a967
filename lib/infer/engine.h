// SPDX-License-Identifier: MIT
// What an inference engine must do. An engine is the prepared form of one model for one input shape, precision and
// device; a session is what one caller needs to run it. A new engine is one folder here and one row in engine.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "device/device_choice.h"
#include "resnetft/error.h"
#include "resnetft/image.h"
#include "resnetft/model.h"
#include "resnetft/preprocess.h"

namespace resnetft {

// Fp32 is what it says on a GPU, too. Tf32: floats whose products are rounded to 10 bits of mantissa.
enum class Precision { Fp32, Bf16, Fp16, Tf32 };

struct EngineSpec {
  int width = 224;
  int height = 224;
  int max_batch = 1;          // a session takes 1 to max_batch pictures at once
  bool full_batches = false;  // on a GPU, smaller ones take as long, and less is prepared
  Precision precision = Precision::Fp32;
  int threads = 1;  // what its sessions may use of the CPU
  Device device = {};
  bool background = false;  // on a GPU, others' work comes before that of its sessions
  auto operator<=>(const EngineSpec&) const = default;
};

// Used by one thread at a time. The spans live until the next call.
class Session {
 public:
  virtual ~Session() = default;
  // Where picture `index` of the next run goes: 3 * height * width floats in the engine's layout.
  virtual std::span<float> input(int index) = 0;
  // Runs the first `batch` inputs. Internal or OutOfMemory.
  virtual Status run(int batch) = 0;
  // Of the last run: logits [num_classes] before temperature, and the pooled features before the head [features].
  virtual std::span<const float> logits(int index) const = 0;
  virtual std::span<const float> embedding(int index) const = 0;
};

// A session that preprocesses pictures by itself; its input() is empty.
class FrameSession : public Session {
 public:
  // Makes picture `index` of the next run of `image`, which has been read when the run is over, in the host's memory
  // when this returns. The errors of Preprocessor and of run().
  virtual Status take(int index, const ImageView& image) = 0;
};

// Immutable and thread-safe; sessions keep their engine alive.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  virtual ~Engine() = default;
  virtual std::string name() const = 0;  // "onednn", "cuda", "reference"
  virtual TensorLayout layout() const = 0;
  virtual Result<std::unique_ptr<Session>> create_session() const = 0;
  // A session that preprocesses with the Preprocessor's bits; null where the engine leaves that to its caller.
  // InvalidArgument for a crop that is not of the engine's size.
  virtual Result<std::unique_ptr<FrameSession>> create_frame_session(const PreprocessSpec&) const {
    return std::unique_ptr<FrameSession>();
  }
};

// `name`: "auto", "onednn", "cuda", "reference". auto takes cuda on a GPU; on the CPU onednn where it can and
// reference, with one log line, where it cannot (layer and group normalisation). InvalidArgument with the list of
// names, or where a named engine does not run on spec.device, or the precision does not; Incompatible where it cannot
// run this model; DeviceUnavailable where LibTorch, which `reference` needs, or cuDNN, which `cuda` needs, cannot be
// loaded.
Result<std::shared_ptr<const Engine>> create_engine(const std::string& name, const Model& model,
                                                    const EngineSpec& spec);

}  // namespace resnetft
