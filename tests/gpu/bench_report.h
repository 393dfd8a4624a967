// SPDX-License-Identifier: MIT
// What gpu_bench and gpu_training_bench have in common: which rows they are asked for, and how they tell what they
// measure, each at once: as text, or as JSON with an object a line.
#pragma once

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/formatted.h"
#include "resnetft/error.h"

namespace resnetft {

class BenchReport {
 public:
  BenchReport(bool json, std::vector<std::string> wanted) : json_(json), missing_(std::move(wanted)) {}

  // And it was not measured yet.
  bool wants(std::string_view name) const { return std::ranges::find(missing_, name) != missing_.end(); }
  // Whether all is measured that was wanted.
  bool is_complete() const { return missing_.empty(); }

  void add_gpu(const std::string& name) { say("{\"gpu\": \"" + name + "\"}", name); }

  void add_rate(const std::string& name, const Result<double>& images_per_second, const std::string& more_json = "",
                const std::string& more_text = "") {
    if (!images_per_second) return add_failure(name, images_per_second.error());
    add(name, formatted("\"images-per-second\": %.1f", *images_per_second) + more_json,
        formatted("%.1f images/s", *images_per_second) + more_text);
  }

  // `sorted`, in microseconds.
  void add_times(const std::string& name, const std::vector<double>& sorted, std::initializer_list<double> shares,
                 const std::string& more_json = "", const std::string& more_text = "") {
    std::string json, text;
    for (const double share : shares) {
      const double time = percentile(sorted, share), percent = 100 * share;
      json += formatted("%s\"p%.0f\": %.2f", json.empty() ? "" : ", ", percent, time);
      text += formatted("%sp%.0f %.2f us", text.empty() ? "" : ", ", percent, time);
    }
    add(name, "\"us\": {" + json + "}" + more_json, text + more_text);
  }

  // What cannot be measured keeps nothing else from being.
  void add_failure(const std::string& name, const Error& error) {
    std::fprintf(stderr, "%s was NOT MEASURED: %s\n", name.c_str(), to_string(error).c_str());
  }

  static double percentile(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
  }

 private:
  void add(const std::string& name, const std::string& as_json, const std::string& as_text) {
    std::erase(missing_, name);
    say("{\"what\": \"" + name + "\", " + as_json + "}", name + ": " + as_text);
  }
  void say(const std::string& as_json, const std::string& as_text) {
    std::printf("%s\n", (json_ ? as_json : as_text).c_str());
    std::fflush(stdout);
  }

  bool json_;
  std::vector<std::string> missing_;
};

// Arguments: --list, which says the names, or [--json] [NAME...]; without a name, all.
inline int bench_main(int argc, char** argv, const std::vector<std::string>& names, int (*run)(BenchReport&)) {
  std::vector<std::string> wanted(argv + 1, argv + argc);
  if (wanted == std::vector<std::string>{"--list"}) {
    for (const std::string& name : names) std::puts(name.c_str());
    return 0;
  }
  const bool json = std::erase(wanted, "--json") > 0;
  for (const std::string& name : wanted)
    if (std::ranges::find(names, name) == names.end())
      return std::fprintf(stderr, "error: there is no '%s': --list says what there is\n", name.c_str()), 2;
  BenchReport report(json, wanted.empty() ? names : wanted);
  return run(report);
}

}  // namespace resnetft
