// SPDX-License-Identifier: MIT
// What a recording shows when: CSV (RFC 4180, UTF-8) without a header, from-seconds,to-seconds,label[,use]. `use` is
// learn (the default) or judge; lines that begin with # are comments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "resnetft/error.h"

namespace resnetft::tool {

enum class SpanUse { Learn, Judge };

struct LabelSpan {
  uint64_t from_ns = 0, to_ns = 0;  // running time, from <= time < to
  std::string label;
  SpanUse use = SpanUse::Learn;
};

// By time; they do not overlap.
using LabelSpans = std::vector<LabelSpan>;

// `file` is its name, for errors, which give the line. CorruptFile.
Result<LabelSpans> parse_labels(const std::string& text, const std::string& file);
// NotFound, Io and the above.
Result<LabelSpans> read_labels(const std::string& file);

// The span of that instant, or null.
const LabelSpan* span_at(const LabelSpans& spans, uint64_t time_ns);

}  // namespace resnetft::tool
