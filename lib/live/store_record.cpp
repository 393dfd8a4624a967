// SPDX-License-Identifier: MIT
#include "live/store_record.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>

#include "live/store_checksum.h"

namespace resnetft {
namespace {

constexpr std::string_view kMagic = "resnetft store\r\n";
constexpr size_t kHeaderBytes = kMagic.size() + 2 * sizeof(uint32_t);
constexpr size_t kRecordHead = 2 * sizeof(uint32_t);
constexpr int32_t kMaxPictureSide = 32768;

enum SampleParts : uint8_t { kFeature = 1, kPicture = 2, kAllParts = kFeature | kPicture };

class Writer {
 public:
  explicit Writer(size_t reserved) : bytes_(reserved) {}

  template <class T>
  requires std::is_trivially_copyable_v<T>
  void number(T value) { append(&value, sizeof value); }
  void text(std::string_view text) {
    number(static_cast<uint32_t>(text.size()));
    append(text.data(), text.size());
  }
  void floats(std::span<const float> values) {
    number(static_cast<uint32_t>(values.size()));
    append(values.data(), values.size_bytes());
  }
  void count(size_t size) { number(static_cast<uint32_t>(size)); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(const void* data, size_t size) {
    const std::byte* begin = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  std::vector<std::byte> bytes_;
};

// After a read beyond the end, or of a value that cannot be, all that follows is zero and good() is false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    T value{};
    if (const std::span<const std::byte> bytes = raw(sizeof value); good_)
      std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text() {
    const std::span<const std::byte> bytes = raw(number<uint32_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::vector<float> floats() {
    const std::span<const std::byte> bytes = raw(uint64_t{number<uint32_t>()} * sizeof(float));
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  template <class Enum>
  Enum enumerator(Enum last) {
    const auto value = number<std::underlying_type_t<Enum>>();
    check(value <= static_cast<std::underlying_type_t<Enum>>(last));
    return static_cast<Enum>(value);
  }
  bool flag() {
    const uint8_t value = number<uint8_t>();
    check(value <= 1);
    return value == 1;
  }
  std::span<const std::byte> raw(uint64_t size) {
    check(size <= rest_.size());
    if (!good_) return {};
    const std::span<const std::byte> bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }
  void check(bool condition) { good_ = good_ && condition; }
  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  bool good_ = true;
};

void write(Writer& out, const StoreTotals& totals) {
  for (const uint64_t value : {totals.offered, totals.left_out, totals.duplicates, totals.last_id, totals.next_epoch,
                               totals.reservoir.offered, totals.reservoir.evicted, totals.reservoir.refused})
    out.number(value);
}

StoreTotals read_totals(Reader& in) {
  StoreTotals totals;
  for (uint64_t* value : {&totals.offered, &totals.left_out, &totals.duplicates, &totals.last_id, &totals.next_epoch,
                          &totals.reservoir.offered, &totals.reservoir.evicted, &totals.reservoir.refused})
    *value = in.number<uint64_t>();
  return totals;
}

void write(Writer& out, const HoldoutBlock& block) {
  out.text(block.timeline);
  out.number(block.k);
  out.text(block.class_name);
  out.number(block.side);
  out.number(static_cast<uint8_t>(block.used));
  out.number(block.first_ns);
  out.number(block.last_ns);
  out.number(block.number);
}

HoldoutBlock read_block(Reader& in) {
  HoldoutBlock block;
  block.timeline = in.text();
  block.k = in.number<uint64_t>();
  block.class_name = in.text();
  block.side = in.enumerator(HoldoutSide::Holdout);
  block.used = in.flag();
  block.first_ns = in.number<uint64_t>();
  block.last_ns = in.number<uint64_t>();
  block.number = in.number<uint64_t>();
  in.check(block.number != 0);
  return block;
}

void write_names(Writer& out, const Sample& sample) {
  out.number(sample.id);
  out.text(sample.key.stream_id);
  out.number(sample.key.epoch);
  out.number(sample.key.running_time_ns);
  out.number(sample.key.region);
  out.text(sample.place.timeline);
  out.number(sample.place.time_ns);
  out.text(sample.label);
  out.number(sample.source);
  out.number(sample.side);
  out.number(sample.block);
}

void read_names(Reader& in, Sample& sample) {
  sample.id = in.number<uint64_t>();
  in.check(sample.id != 0);
  sample.key.stream_id = in.text();
  sample.key.epoch = in.number<uint64_t>();
  sample.key.running_time_ns = in.number<uint64_t>();
  sample.key.region = in.number<uint32_t>();
  sample.place.timeline = in.text();
  sample.place.time_ns = in.number<uint64_t>();
  sample.label = in.text();
  in.check(!sample.label.empty());
  sample.source = in.enumerator(LabelSource::Seed);
  sample.side = in.enumerator(HoldoutSide::Holdout);
  sample.block = in.number<uint64_t>();
}

// All but the pixels, which follow.
void write_sample(Writer& out, const StoreRecord& record) {
  const Sample& sample = *record.sample;
  const bool with_picture = record.with_picture && sample.picture;
  write_names(out, sample);
  out.number(static_cast<uint8_t>((record.with_feature ? kFeature : 0) | (with_picture ? kPicture : 0)));
  if (record.with_feature) {
    out.text(sample.feature_origin);
    out.floats(sample.feature);
  }
  if (with_picture) {
    out.number(int32_t{sample.picture->width});
    out.number(int32_t{sample.picture->height});
  }
}

SmallPicturePtr read_picture(Reader& in) {
  const auto width = in.number<int32_t>(), height = in.number<int32_t>();
  in.check(width >= 1 && width <= kMaxPictureSide && height >= 1 && height <= kMaxPictureSide);
  if (!in.good()) return nullptr;
  const std::span<const std::byte> pixels =
      in.raw(uint64_t{3} * static_cast<uint64_t>(width) * static_cast<uint64_t>(height));
  auto picture = std::make_shared<SmallPicture>();
  picture->width = width;
  picture->height = height;
  picture->rgb.resize(pixels.size());
  if (!pixels.empty()) std::memcpy(picture->rgb.data(), pixels.data(), pixels.size());
  return picture;
}

void read_sample(Reader& in, StoreRecord& record) {
  Sample& sample = record.sample.emplace();
  read_names(in, sample);
  const uint8_t parts = in.number<uint8_t>();
  in.check((parts & ~kAllParts) == 0);
  record.with_feature = (parts & kFeature) != 0;
  record.with_picture = (parts & kPicture) != 0;
  if (record.with_feature) {
    sample.feature_origin = in.text();
    sample.feature = in.floats();
  }
  if (record.with_picture) sample.picture = read_picture(in);
}

// Counts are not trusted: what is read one by one ends with the bytes.
template <class Read>
void repeat(Reader& in, Read read_one) {
  for (uint32_t left = in.number<uint32_t>(); left > 0 && in.good(); --left) read_one();
}

std::optional<StoreRecord> decode_record(std::span<const std::byte> payload) {
  Reader in(payload);
  StoreRecord record;
  record.totals = read_totals(in);
  repeat(in, [&] {
    std::string name = in.text();
    record.seen.emplace_back(std::move(name), in.number<uint64_t>());
  });
  repeat(in, [&] { record.blocks.push_back(read_block(in)); });
  repeat(in, [&] { record.labels.push_back(in.text()); });
  repeat(in, [&] { record.gone.push_back(in.number<uint64_t>()); });
  if (in.flag()) read_sample(in, record);
  if (!in.good() || !in.at_end()) return std::nullopt;
  return record;
}

struct RecordHead {
  uint32_t length, checksum;
};

uint32_t record_checksum(uint32_t length, std::span<const std::byte> first, std::span<const std::byte> second) {
  return crc32c(second, crc32c(first, crc32c(std::as_bytes(std::span(&length, 1)))));
}

// The payload at the beginning of `rest`, if all of it is there and right.
std::optional<std::span<const std::byte>> good_payload(std::span<const std::byte> rest) {
  if (rest.size() < kRecordHead) return std::nullopt;
  RecordHead head;
  std::memcpy(&head, rest.data(), sizeof head);
  if (head.length > rest.size() - kRecordHead) return std::nullopt;
  const std::span<const std::byte> payload = rest.subspan(kRecordHead, head.length);
  if (record_checksum(head.length, payload, {}) != head.checksum) return std::nullopt;
  return payload;
}

uint32_t number_at(std::span<const std::byte> bytes, size_t offset) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

Status check_header(std::span<const std::byte> file, const std::string& name) {
  const size_t compared = std::min(file.size(), kMagic.size());
  if (std::memcmp(file.data(), kMagic.data(), compared) != 0 || file.size() < kHeaderBytes)
    return Error{ErrorCode::CorruptFile, "'" + name + "' is not a store of resnetft", "name another folder"};
  if (crc32c(file.first(kHeaderBytes - 4)) != number_at(file, kHeaderBytes - 4))
    return Error{ErrorCode::CorruptFile, "the header of '" + name + "' is damaged", "move it away, or restore a copy"};
  const uint32_t version = number_at(file, kMagic.size());
  if (version == kStoreVersion) return Status::success();
  std::string message = "'" + name + "' is a store of version ";
  message.append(std::to_string(version))
      .append("; this resnetft reads version ")
      .append(std::to_string(kStoreVersion));
  return Error{ErrorCode::Incompatible, std::move(message), "name another folder"};
}

bool is_beginning_of_header(std::span<const std::byte> file) {
  const std::vector<std::byte> header = store_header();
  return file.size() < header.size() && std::equal(file.begin(), file.end(), header.begin());
}

}  // namespace

std::vector<std::byte> store_header() {
  Writer out(0);
  for (const char c : kMagic) out.number(c);
  out.number(kStoreVersion);
  std::vector<std::byte> bytes = out.take();
  const uint32_t checksum = crc32c(bytes);
  const std::span<const std::byte> tail = std::as_bytes(std::span(&checksum, 1));
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

EncodedRecord encode_record(const StoreRecord& record) {
  Writer out(kRecordHead);
  write(out, record.totals);
  out.count(record.seen.size());
  for (const auto& [name, count] : record.seen) {
    out.text(name);
    out.number(count);
  }
  out.count(record.blocks.size());
  for (const HoldoutBlock& block : record.blocks) write(out, block);
  out.count(record.labels.size());
  for (const std::string& label : record.labels) out.text(label);
  out.count(record.gone.size());
  for (const uint64_t id : record.gone) out.number(id);
  out.number(static_cast<uint8_t>(record.sample.has_value()));
  if (record.sample) write_sample(out, record);

  EncodedRecord encoded{out.take(), {}};
  if (record.sample && record.with_picture && record.sample->picture)
    encoded.picture = std::as_bytes(std::span(record.sample->picture->rgb));
  RecordHead head{static_cast<uint32_t>(encoded.size() - kRecordHead), 0};
  head.checksum = record_checksum(head.length, std::span(encoded.head).subspan(kRecordHead), encoded.picture);
  std::memcpy(encoded.head.data(), &head, sizeof head);
  return encoded;
}

Result<size_t> scan_store(std::span<const std::byte> file, const std::string& name,
                          const std::function<bool(StoreRecord&&)>& apply) {
  if (is_beginning_of_header(file)) return size_t{0};
  if (Status status = check_header(file, name); !status) return status.error();
  size_t good = kHeaderBytes;
  while (const auto payload = good_payload(file.subspan(good))) {
    std::optional<StoreRecord> record = decode_record(*payload);
    if (!record || !apply(std::move(*record))) break;
    good += kRecordHead + payload->size();
  }
  return good;
}

std::optional<size_t> find_record(std::span<const std::byte> bytes) {
  const size_t least = encode_record({}).size();
  for (size_t begin = 0; begin + least <= bytes.size(); ++begin) {
    const size_t length = number_at(bytes, begin);
    if (length < least - kRecordHead) continue;
    const auto payload = good_payload(bytes.subspan(begin));
    if (payload && decode_record(*payload)) return begin;
  }
  return std::nullopt;
}

}  // namespace resnetft
