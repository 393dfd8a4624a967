// SPDX-License-Identifier: MIT
// Which label holds at which instant of a stream, and who said so.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace resnetft {

// In the order of precedence: a later one wins over an earlier one for the same picture. Added and Seed samples have no
// place in a stream.
enum class LabelSource : uint8_t { None, Property, Event, Roi, Range, Answer, Added, Seed };

// The name as messages show it: "event".
const char* label_source_name(LabelSource source);

struct HeldLabel {
  std::string label;  // empty: none
  LabelSource source = LabelSource::None;
  bool operator==(const HeldLabel&) const = default;
};

// Which sources count (the property label-source).
struct LabelSources {
  bool property = true;
  bool event = true;
  bool roi = false;
};

// Which picture a sample is. A flushing seek restarts running time, so the flush epoch belongs to it; a stream whose
// time goes back gets a new epoch too. `region`: 0 for the whole frame, else one above the region's index.
struct SampleKey {
  std::string stream_id;
  uint64_t epoch = 0;
  uint64_t running_time_ns = 0;
  uint32_t region = 0;
  auto operator<=>(const SampleKey&) const = default;
};

// Whether a picture that `earlier` labelled takes the label that `later` gives it: label-range and answer replace any;
// of the others only one that is at least as strong.
bool replaces(LabelSource earlier, LabelSource later);

// Follows a stream, or several that take turns: what is set takes effect with the next frame. Reentrant, not
// thread-safe.
class LabelTrack {
 public:
  // `first_epoch`: above every epoch of the store, so that no two runs share a key.
  explicit LabelTrack(uint64_t first_epoch = 0) : epoch_(first_epoch) {}

  void allow(LabelSources sources) { sources_ = sources; }
  // STREAM_START and FLUSH_STOP: the event's label ends, the epoch changes, the property's label stays. False: the
  // stream has been here since the last flush and comes back (behind a funnel streams take turns), and all goes on. Of
  // more than kStreamsKept streams the one whose last start is the oldest is forgotten.
  bool start_stream(const std::string& stream_id);
  void flush();
  bool knows(const std::string& stream_id) const { return streams_.contains(stream_id); }

  // "" ends the label.
  void set_property(std::string label) { property_ = std::move(label); }
  void set_event(std::string label) { event_ = std::move(label); }

  struct Frame {
    SampleKey key;
    HeldLabel held;
  };
  // The next frame of the stream, and the label that holds for the whole of it. A frame without a time, or with that of
  // the frame before, is a nanosecond later than that one. A time that jumps back in its stream begins an epoch: no two
  // frames share a key.
  Frame frame(std::optional<uint64_t> running_time_ns);

  // What the next frame's label will be.
  HeldLabel now() const;

  // The label that held for a frame of the stream in the current epoch at or before that instant; none before the first
  // frame. Of changes older than kChangesKept only the last is known.
  HeldLabel at(uint64_t running_time_ns) const;

  // For a region that names itself `roi_label`: that, where regions count; a frame's label is never a region's.
  HeldLabel region(const std::string& roi_label) const;

  uint64_t epoch() const { return epoch_; }
  const std::string& stream_id() const { return stream_id_; }

  static constexpr size_t kChangesKept = 4096;
  static constexpr size_t kStreamsKept = 256;

 private:
  struct Change {
    uint64_t from_ns;
    HeldLabel held;
  };
  struct Stream {                           // in the current epoch
    std::optional<uint64_t> last_ns;        // of the last key
    std::optional<uint64_t> last_given_ns;  // of the last frame that had a time
    std::deque<Change> changes;             // by time
  };
  void begin_epoch();

  LabelSources sources_;
  std::string stream_id_;
  uint64_t epoch_;
  std::string property_, event_;
  std::map<std::string, Stream> streams_;  // that were here since the last flush
  std::deque<std::string> started_;        // they, by their last start
};

}  // namespace resnetft
