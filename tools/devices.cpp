// SPDX-License-Identifier: MIT
// ft-tool devices: what this machine has to run on, and why the rest cannot be used.
#include <array>
#include <fstream>
#include <thread>

#include "base/formatted.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "device/torch_module.h"
#include "device/training_device.h"
#include "image/row_kernels.h"
#include "json_text.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

constexpr const char* kCpuRuns = "preprocessing, inference, training";

// A line of what there is: a device, or a part of the software.
struct Row {
  std::string name;
  std::string description;
  std::string runs;    // of devices
  std::string reason;  // why it cannot be used; empty: it can
  std::string hint = {};
  uint64_t memory_bytes = 0;
};

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "unknown processor";
}

std::string instructions() {
  static constexpr std::array kNames = {"no SIMD that is used here", "AVX2", "AVX-512 with VNNI"};
  return kNames.at(static_cast<size_t>(best_simd_level()));
}

Row cpu_row() {
  const unsigned processors = std::thread::hardware_concurrency();
  return {"cpu", processor_name() + ", " + std::to_string(processors) + " processors, " + instructions(), kCpuRuns, {}};
}

Row row_of(Row row, const Status& status) {
  if (status) return row;
  row.reason = status.error().message;
  row.hint = status.error().hint;
  return row;
}

// Of the first GPU that can be used at all.
Status check_training(const CudaSurvey& survey) {
  if (!survey.reason.empty()) return Error{ErrorCode::DeviceUnavailable, survey.reason, survey.hint};
  for (const SurveyedGpu& surveyed : survey.gpus)
    if (surveyed.reason.empty()) return check_training_device({true, surveyed.gpu.ordinal});
  return Error{ErrorCode::DeviceUnavailable, survey.gpus.front().reason, survey.gpus.front().hint};
}

Row gpu_row(const SurveyedGpu& surveyed, const CudaSurvey& survey, const char* runs) {
  const CudaGpu& gpu = surveyed.gpu;
  const bool none = !survey.reason.empty();
  return {"cuda:" + std::to_string(gpu.ordinal),
          formatted("%s, compute capability %d.%d, %.1f GiB", gpu.name.c_str(), gpu.major, gpu.minor,
                    static_cast<double>(gpu.memory_bytes) / (1 << 30)),
          runs,
          none ? survey.reason : surveyed.reason,
          none ? survey.hint : surveyed.hint,
          gpu.memory_bytes};
}

// Empty: neither. The parts' rows say why.
const char* gpu_runs(bool inference, bool training) {
  if (inference) return training ? "inference, training" : "inference";
  return training ? "training" : "";
}

std::vector<Row> device_rows(const CudaSurvey& survey, const char* runs) {
  std::vector<Row> rows = {cpu_row()};
  for (const SurveyedGpu& gpu : survey.gpus) rows.push_back(gpu_row(gpu, survey, runs));
  if (survey.gpus.empty()) rows.push_back({"cuda", {}, runs, survey.reason, survey.hint});
  return rows;
}

Row torch_row() {
  const Result<const TorchModule*> module = torch_module();
  return row_of({"libtorch", "engine reference, training, group and layer normalisation", {}, {}},
                module ? Status::success() : Status(module.error()));
}

Row cudnn_row() {
  const Result<const CudaModule*> module = cuda_module();
  return row_of({"cudnn", "engine cuda", {}, {}}, module ? (*module)->check_inference() : Status(module.error()));
}

OrderedJson text_or_null(const std::string& text) { return text.empty() ? OrderedJson() : OrderedJson(text); }

OrderedJson to_json(const Row& row) {
  OrderedJson json;
  json["name"] = row.name;
  json["usable"] = row.reason.empty();
  json["description"] = text_or_null(row.description);
  if (!row.runs.empty()) json["runs"] = row.runs;
  if (row.memory_bytes > 0) json["memory-bytes"] = row.memory_bytes;
  json["reason"] = text_or_null(row.reason);
  json["hint"] = text_or_null(row.hint);
  return json;
}

std::string to_text(const Row& row) {
  std::string text = row.name;
  text.resize(std::max<size_t>(text.size() + 1, 10), ' ');
  text.append(row.reason.empty() ? "yes  " : "no   ").append(row.description);
  if (!row.reason.empty()) text.append(row.description.empty() ? "" : "; ").append(row.reason);
  if (!row.hint.empty()) text.append("; ").append(row.hint);
  if (row.reason.empty() && !row.runs.empty()) text.append("; runs ").append(row.runs);
  return text + "\n";
}

Result<int> run(const CommandLine& line) {
  if (!line.arguments().empty())
    return Error{ErrorCode::InvalidArgument, "unexpected '" + line.arguments().front() + "'", ""};
  const CudaSurvey survey = survey_cuda();
  const Status training = check_training(survey);
  const std::array parts = {torch_row(), row_of({"libtorch-cuda", "training on a GPU", {}, {}}, training), cudnn_row()};
  const std::vector<Row> devices = device_rows(survey, gpu_runs(parts.back().reason.empty(), training.ok()));
  OrderedJson json;
  json["devices"] = OrderedJson::array();
  for (const Row& row : devices) json["devices"].push_back(to_json(row));
  for (const Row& row : parts) json["parts"].push_back(to_json(row));
  json["cuda-driver"] =
      survey.driver_version > 0 ? OrderedJson(cuda_version_text(survey.driver_version)) : OrderedJson();
  std::string text;
  for (const Row& row : devices) text += to_text(row);
  for (const Row& row : parts) text += to_text(row);
  if (Status status = write_out(line.flag("json") ? json_text(json) + "\n" : text); !status) return status.error();
  return 0;
}

}  // namespace

Verb devices_verb() {
  return {"devices",
          "",
          "What this machine has to run on, and why the rest cannot be used",
          "A GPU runs inference, for which it needs cuDNN, and training, for which it needs LibTorch's CUDA half.\n\n"
          "  ft-tool devices\n"
          "  ft-tool devices --json",
          option_rows({"json", "verbose"}),
          run};
}

}  // namespace resnetft::tool
