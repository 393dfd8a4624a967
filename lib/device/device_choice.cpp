// SPDX-License-Identifier: MIT
#include "device/device_choice.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <set>

#include "base/log.h"
#include "device/cuda_module.h"

namespace resnetft {
namespace {

void fail(SurveyedGpu& surveyed, const Error& error) {
  surveyed.reason = error.message;
  surveyed.hint = error.hint;
}

bool is_too_old(const CudaGpu& gpu) {
  return gpu.major < kOldestCudaMajor || (gpu.major == kOldestCudaMajor && gpu.minor < kOldestCudaMinor);
}

std::string capability_text(int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); }

void check_capability(SurveyedGpu& surveyed) {
  const CudaGpu& gpu = surveyed.gpu;
  if (!is_too_old(gpu)) return;
  surveyed.reason = gpu.name + " has compute capability " + capability_text(gpu.major, gpu.minor) + ", " +
                    capability_text(kOldestCudaMajor, kOldestCudaMinor) + " or later is needed";
  surveyed.hint = "use a newer GPU, or device cpu";
}

// Makes a context on it: each takes time and memory, so that only a GPU that somebody wants is checked.
bool can_be_used(SurveyedGpu& surveyed) {
  if (!surveyed.reason.empty()) return false;
  const Result<const CudaModule*> module = cuda_module();
  const Status status = module ? (*module)->check_gpu(surveyed.gpu.ordinal) : Status(module.error());
  if (!status) fail(surveyed, status.error());
  return status.ok();
}

// Drivers run what any toolkit of the same first number made.
Status check_driver_version(int driver, int runtime) {
  if (driver >= runtime / 1000 * 1000) return Status::success();
  return Error{ErrorCode::DeviceUnavailable,
               "CUDA cannot be used: the NVIDIA driver runs CUDA up to " + cuda_version_text(driver) +
                   ", this build needs " + cuda_version_text(runtime / 1000 * 1000),
               "install a newer driver"};
}

void fail(CudaSurvey& survey, const Error& error) {
  survey.reason = error.message;
  survey.hint = error.hint;
}

// All but the contexts.
CudaSurvey list_gpus() {
  CudaSurvey survey;
  const Result<CudaDriver> driver = query_cuda_driver();
  if (!driver) return fail(survey, driver.error()), survey;
  survey.driver_version = driver->version;
  for (const CudaGpu& gpu : driver->gpus) survey.gpus.push_back({gpu, {}, {}});
  const Result<const CudaModule*> module = cuda_module();
  if (!module) return fail(survey, module.error()), survey;
  if (Status status = check_driver_version(driver->version, (*module)->runtime_version); !status)
    return fail(survey, status.error()), survey;
  for (SurveyedGpu& gpu : survey.gpus) check_capability(gpu);
  return survey;
}

// The ordinal in "cuda" or "cuda:N"; none for other names.
std::optional<int> ordinal_of(std::string_view name) {
  if (name == "cuda") return 0;
  if (!name.starts_with("cuda:")) return std::nullopt;
  name.remove_prefix(5);
  int ordinal = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), ordinal);
  if (name.empty() || error != std::errc() || end != name.data() + name.size() || ordinal < 0) return std::nullopt;
  return ordinal;
}

Result<Device> unavailable(const std::string& name, const std::string& reason, const std::string& hint) {
  return Error{ErrorCode::DeviceUnavailable, "device '" + name + "': " + reason, hint};
}

Result<Device> named_gpu(const std::string& name, int ordinal) {
  CudaSurvey survey = list_gpus();
  if (!survey.reason.empty()) return unavailable(name, survey.reason, survey.hint);
  const size_t count = survey.gpus.size();
  if (static_cast<size_t>(ordinal) >= count)
    return unavailable(name, "this machine has " + std::to_string(count) + (count == 1 ? " GPU" : " GPUs"),
                       "the first is cuda:0; see ft-tool devices");
  SurveyedGpu& surveyed = survey.gpus[static_cast<size_t>(ordinal)];
  if (!can_be_used(surveyed)) return unavailable(name, surveyed.reason, surveyed.hint);
  return Device{true, ordinal};
}

void log_once(const std::string& line) {
  static std::mutex lock;
  static std::set<std::string> logged;
  {
    const std::scoped_lock guard(lock);
    if (!logged.insert(line).second) return;
  }
  log(LogLevel::Info, line);
}

Device first_usable() {
  CudaSurvey survey = list_gpus();
  if (!survey.reason.empty()) return cpu_because(survey.reason);
  for (SurveyedGpu& gpu : survey.gpus)
    if (can_be_used(gpu)) return {true, gpu.gpu.ordinal};
  return cpu_because(survey.gpus.front().reason);
}

}  // namespace

CudaSurvey survey_cuda() {
  CudaSurvey survey = list_gpus();
  if (!survey.reason.empty()) return survey;
  for (SurveyedGpu& gpu : survey.gpus) can_be_used(gpu);
  return survey;
}

std::string device_name(const Device& device) { return device.cuda ? "cuda:" + std::to_string(device.ordinal) : "cpu"; }

Device cpu_because(const std::string& reason) {
  log_once("device auto is the CPU: " + reason);
  return {};
}

Result<Device> choose_device(const std::string& name) {
  if (name == "cpu") return Device{};
  if (name == "auto") return first_usable();
  if (const std::optional<int> ordinal = ordinal_of(name)) return named_gpu(name, *ordinal);
  return Error{ErrorCode::InvalidArgument, "unknown device '" + name + "'", "possible are: auto, cpu, cuda, cuda:N"};
}

}  // namespace resnetft
