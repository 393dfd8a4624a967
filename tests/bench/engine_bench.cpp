// SPDX-License-Identifier: MIT
// Times the oneDNN engine on the weights of a safetensors file: peers.sh runs it beside PyTorch, ONNX Runtime and
// OpenVINO. Reads commands from stdin and answers each with one line, so that the peers can take turns:
// "run N" runs N batches and answers with the seconds of each; "logits" with the logits of the last run's first
// picture; "memory" with the resident bytes; "quit".
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "infer/onednn/onednn_engine.h"

namespace {

using namespace resnetft;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Resident now, and at most since the start.
std::string memory_line() {
  std::string line, result;
  for (std::ifstream status("/proc/self/status"); std::getline(status, line);)
    for (const char* const key : {"VmRSS:", "VmHWM:"})
      if (line.starts_with(key)) result += std::to_string(std::stoll(line.substr(6)) * 1024) + " ";
  return result;
}

// The picture that peers.py makes too: ((i * 2654435761) mod 2^32) / 2^32 - 0.5 for element i of [N, 3, H, W].
void fill_input(Session& session, const Engine& engine, const EngineSpec& spec) {
  const size_t pixels = static_cast<size_t>(spec.width) * static_cast<size_t>(spec.height);
  for (size_t picture = 0; picture < static_cast<size_t>(spec.max_batch); ++picture) {
    const std::span<float> input = session.input(static_cast<int>(picture));
    for (size_t c = 0; c < 3; ++c)
      for (size_t p = 0; p < pixels; ++p) {
        const uint32_t hash = static_cast<uint32_t>((picture * 3 + c) * pixels + p) * 2654435761u;
        const size_t place = engine.layout() == TensorLayout::Nhwc ? p * 3 + c : c * pixels + p;
        input[place] = static_cast<float>(hash / 4294967296.0 - 0.5);
      }
  }
}

int fail(const Error& error) {
  std::cerr << "engine_bench: " << to_string(error) << "\n";
  return exit_status(error.code);
}

void answer(Session& session, const std::string& command, int batch) {
  if (command.starts_with("run ")) {
    for (int i = std::stoi(command.substr(4)); i > 0; --i) {
      const Clock::time_point start = Clock::now();
      const Status status = session.run(batch);
      if (!status) std::exit(fail(status.error()));
      std::printf("%.6f ", seconds_since(start));
    }
  } else if (command == "logits") {
    for (const float logit : session.logits(0)) std::printf("%.7g ", static_cast<double>(logit));
  } else if (command == "memory") {
    std::printf("%s", memory_line().c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: engine_bench WEIGHTS.safetensors ARCHITECTURE BATCH THREADS fp32|bf16 [WIDTH HEIGHT]\n";
    return 2;
  }
  EngineSpec spec;
  spec.max_batch = std::stoi(argv[3]);
  spec.threads = std::stoi(argv[4]);
  spec.precision = std::string(argv[5]) == "bf16" ? Precision::Bf16 : Precision::Fp32;
  if (argc > 7) {
    spec.width = std::stoi(argv[6]);
    spec.height = std::stoi(argv[7]);
  }
  std::shared_ptr<const Engine> engine;
  {
    const Result<std::shared_ptr<const Model>> model = load_model(argv[1], {.architecture = argv[2], .labels = {}});
    if (!model) return fail(model.error());
    const Clock::time_point start = Clock::now();
    Result<std::shared_ptr<const Engine>> created = create_onednn_engine(**model, spec);
    if (!created) return fail(created.error());
    engine = *created;
    std::printf("built %.3f\n", seconds_since(start));
    std::fflush(stdout);
  }
  Result<std::unique_ptr<Session>> session = engine->create_session();
  if (!session) return fail(session.error());
  fill_input(**session, *engine, spec);
  for (std::string command; std::getline(std::cin, command) && command != "quit";)
    answer(**session, command, spec.max_batch);
  return 0;
}
