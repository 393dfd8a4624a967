// SPDX-License-Identifier: MIT
// ft-tool dataset from-store: what a learner kept, as a folder of pictures.
#include <limits>

#include "dataset.h"
#include "json_text.h"
#include "live/replay_store.h"
#include "temporary_copy.h"

namespace resnetft::tool {

// The store is copied, for opening one may mend its tail.
Result<int> dataset_from_store(const CommandLine& line, const std::string& folder) {
  const Result<std::string> output = required_text(line, "output", "FOLDER");
  if (!output) return output.error();
  const Result<TemporaryCopy> copy = TemporaryCopy::of_folder(folder);
  if (!copy) return copy.error();
  ReplayStoreSpec spec{.location = copy->path(), .store_frames = true};
  spec.reservoir.capacity = std::numeric_limits<size_t>::max();
  spec.reservoir.max_bytes = std::numeric_limits<uint64_t>::max();
  const Result<std::unique_ptr<ReplayStore>> store =
      ReplayStore::open(spec, [&](LogLevel, const std::string& sentence) { say(copy->as_of_the_original(sentence)); });
  if (!store) return copy->as_of_the_original(store.error());
  const StoreCounts counts = (*store)->counts();
  if (counts.train + counts.holdout == 0)
    return Error{ErrorCode::NotFound, "there is no sample in the store '" + folder + "'",
                 "name the replay-location of a learner"};
  if (Status status = (*store)->export_to(*output); !status) return copy->as_of_the_original(status.error());
  OrderedJson json;
  json["store"] = folder;
  json["output"] = *output;
  json["train"] = counts.train;
  json["val"] = counts.holdout;
  const std::string text = line.flag("json") ? json_text(json)
                                             : std::to_string(counts.train) + " pictures to learn from and " +
                                                   std::to_string(counts.holdout) + " held out, in '" + *output + "'";
  if (Status status = write_out(text + "\n"); !status) return status.error();
  return 0;
}

}  // namespace resnetft::tool
