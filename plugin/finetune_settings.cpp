// SPDX-License-Identifier: MIT
#include "finetune_settings.h"

#include "live/learner_options.h"

namespace resnetft {
namespace {

enum LabelSourceFlag : uint64_t { kPropertyLabels = 1, kEventLabels = 2, kRoiLabels = 4 };

LabelSources label_sources(const Settings& settings) {
  const uint64_t flags = settings.number("label-source");
  return {.property = (flags & kPropertyLabels) != 0,
          .event = (flags & kEventLabels) != 0,
          .roi = (flags & kRoiLabels) != 0};
}

OptionReader reader_of(const Settings& settings) {
  return {.flag = [&settings](std::string_view name) { return settings.boolean(name); },
          .number = [&settings](std::string_view name) { return settings.number(name); },
          .real = [&settings](std::string_view name) { return settings.real(name); },
          .text =
              [&settings](std::string_view name) {
                return find_option(finetune_options(), name)->type == OptionType::Enum ? settings.word(name)
                                                                                       : settings.text(name);
              }};
}

}  // namespace

CollectRules collect_rules(const Settings& settings) {
  const bool has_ring = settings.number("candidate-ring-bytes") > 0 && settings.number("candidate-ring-time") > 0;
  return {.label = settings.text("label"),
          .sources = label_sources(settings),
          .sample_interval = static_cast<unsigned>(settings.number("sample-interval")),
          .keeps_unlabelled = has_ring};
}

Result<LearnerRules> learner_rules(const Settings& settings) { return learner_rules_of(reader_of(settings)); }
Result<LearnerSpec> learner_spec(const Settings& settings) { return learner_spec_of(reader_of(settings)); }

}  // namespace resnetft
