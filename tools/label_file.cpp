// SPDX-License-Identifier: MIT
#include "label_file.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/mapped_file.h"
#include "command_line.h"
#include "model/model_card.h"

namespace resnetft::tool {
namespace {

struct Row {
  size_t line = 1;  // of its first character
  std::vector<std::string> fields;
};

// RFC 4180, with both ends of line. A quote inside an unquoted field stands for itself.
class RowReader {
 public:
  explicit RowReader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  // None: the text is over, or a quoted field never ends; then `open_quote()` has its line.
  std::optional<Row> next() {
    while (skip_comment_or_empty()) {
    }
    if (at_end()) return std::nullopt;
    Row row{.line = line_, .fields = {}};
    do row.fields.push_back(take_field());
    while (take(','));
    take_end_of_line();
    if (open_quote_) return std::nullopt;
    return row;
  }
  std::optional<size_t> open_quote() const { return open_quote_; }

 private:
  bool at_end() const { return position_ == text_.size(); }
  bool at(char c) const { return !at_end() && text_[position_] == c; }
  bool take(char c) {
    if (!at(c)) return false;
    ++position_;
    return true;
  }
  bool at_end_of_line() const { return at_end() || at('\n') || text_.substr(position_).starts_with("\r\n"); }
  void take_end_of_line() {
    take('\r');
    if (take('\n')) ++line_;
  }
  bool skip_comment_or_empty() {
    if (at_end()) return false;
    if (at('#'))
      while (!at_end_of_line()) ++position_;
    else if (!at_end_of_line())
      return false;
    take_end_of_line();
    return true;
  }
  std::string take_field() { return take('"') ? take_quoted() : take_plain(); }
  std::string take_plain() {
    const size_t begin = position_;
    while (!at(',') && !at_end_of_line()) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }
  // A doubled quote stands for one. What follows the closing one, up to the comma, belongs to the field.
  std::string take_quoted() {
    const size_t first_line = line_;
    std::string field;
    while (!at_end()) {
      if (take('"') && !at('"')) return field + take_plain();
      if (at('\n')) ++line_;
      field += text_[position_++];
    }
    open_quote_ = first_line;
    return field;
  }

  std::string_view text_;
  size_t position_ = 0;
  size_t line_ = 1;
  std::optional<size_t> open_quote_;
};

Error error_in(const std::string& file, size_t line, const std::string& what, const std::string& hint) {
  return {ErrorCode::CorruptFile, "labels '" + file + "', line " + std::to_string(line) + ": " + what, hint};
}

// Up to 292 years, so that nanoseconds fit.
std::optional<uint64_t> parse_seconds(const std::string& text) {
  constexpr double kMaxSeconds = 9.2e9;
  const std::optional<double> seconds = parse_real(text);
  if (!seconds || *seconds < 0 || *seconds > kMaxSeconds) return std::nullopt;
  return static_cast<uint64_t>(std::llround(*seconds * 1e9));
}

Result<LabelSpan> span_of(const Row& row, const std::string& file) {
  const auto error = [&](const std::string& what, const std::string& hint) {
    return error_in(file, row.line, what, hint);
  };
  if (row.fields.size() != 3 && row.fields.size() != 4)
    return error(std::to_string(row.fields.size()) + " fields", "a line is from-seconds,to-seconds,label[,use]");
  const std::optional<uint64_t> from = parse_seconds(row.fields[0]), to = parse_seconds(row.fields[1]);
  if (!from || !to)
    return error("'" + row.fields[from ? 1 : 0] + "' is not a number of seconds", "write 12.5 for twelve and a half");
  if (*from >= *to) return error("it ends before it begins", "from-seconds comes first");
  if (row.fields[2].empty()) return error("the label is empty", "leave out times without one");
  if (!is_utf8(row.fields[2])) return error("the label is not UTF-8", "save the file as UTF-8");
  const std::string use = row.fields.size() == 4 ? row.fields[3] : "learn";
  if (use != "learn" && use != "judge") return error("unknown use '" + use + "'", "possible are: learn, judge");
  return LabelSpan{*from, *to, row.fields[2], use == "learn" ? SpanUse::Learn : SpanUse::Judge};
}

struct NumberedSpan {
  LabelSpan span;
  size_t line;
};

Result<LabelSpans> in_order(std::vector<NumberedSpan> numbered, const std::string& file) {
  std::ranges::stable_sort(numbered, {}, [](const NumberedSpan& entry) { return entry.span.from_ns; });
  LabelSpans spans;
  for (NumberedSpan& entry : numbered) {
    if (!spans.empty() && spans.back().to_ns > entry.span.from_ns)
      return error_in(file, entry.line, "'" + entry.span.label + "' begins while '" + spans.back().label + "' holds",
                      "one label at a time");
    spans.push_back(std::move(entry.span));
  }
  return spans;
}

}  // namespace

Result<LabelSpans> parse_labels(const std::string& text, const std::string& file) {
  std::vector<NumberedSpan> spans;
  RowReader reader(text);
  while (const std::optional<Row> row = reader.next()) {
    Result<LabelSpan> span = span_of(*row, file);
    if (!span) return span.error();
    spans.push_back({std::move(*span), row->line});
  }
  if (const std::optional<size_t> line = reader.open_quote())
    return error_in(file, *line, "a quote is never closed", "a quote inside a quoted label is doubled");
  if (spans.empty())
    return Error{ErrorCode::CorruptFile, "labels '" + file + "': there is no label",
                 "write lines of from-seconds,to-seconds,label"};
  return in_order(std::move(spans), file);
}

Result<LabelSpans> read_labels(const std::string& file) {
  const Result<std::shared_ptr<const MappedFile>> mapped = MappedFile::open(file);
  if (!mapped) return mapped.error();
  const std::span<const std::byte> bytes = (*mapped)->bytes();
  return parse_labels({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
}

const LabelSpan* span_at(const LabelSpans& spans, uint64_t time_ns) {
  const auto later = std::ranges::upper_bound(spans, time_ns, {}, &LabelSpan::from_ns);
  if (later == spans.begin() || time_ns >= std::prev(later)->to_ns) return nullptr;
  return &*std::prev(later);
}

}  // namespace resnetft::tool
