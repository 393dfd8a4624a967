// SPDX-License-Identifier: MIT
// What the learner says, as the fields of messages and properties.
#include <set>

#include "finetune_harness.h"
#include "learner_writer.h"

namespace resnetft::testing {
namespace {

StructurePtr only_message(const LearnerEvent& event) {
  std::vector<StructurePtr> messages = learner_messages(event);
  EXPECT_EQ(messages.size(), 1U);
  EXPECT_TRUE(gst_structure_has_name(messages[0].get(), "resnetfinetune"));
  return std::move(messages[0]);
}

const GstStructure* structure_field(const GstStructure* structure, const char* name) {
  const GValue* value = gst_structure_get_value(structure, name);
  return value && G_VALUE_HOLDS(value, GST_TYPE_STRUCTURE) ? static_cast<const GstStructure*>(g_value_get_boxed(value))
                                                           : nullptr;
}

const GstStructure* item_of(const GstStructure* structure, const char* name, guint index) {
  const GValue* array = gst_structure_get_value(structure, name);
  return static_cast<const GstStructure*>(g_value_get_boxed(gst_value_array_get_value(array, index)));
}

std::vector<std::string> texts_of(const GstStructure* structure, const char* name) {
  std::vector<std::string> texts;
  const GValue* array = gst_structure_get_value(structure, name);
  for (guint i = 0; array && i < gst_value_array_get_size(array); ++i)
    texts.emplace_back(g_value_get_string(gst_value_array_get_value(array, i)));
  return texts;
}

GateOutcome an_outcome(GateVerdict verdict) {
  GateOutcome outcome;
  outcome.verdict = verdict;
  outcome.reason = "because";
  outcome.metric = GateMetric::Top1;
  outcome.samples = 80;
  outcome.judged_samples = 75;
  outcome.incumbent = {0.5, 0.4, 1.5};
  outcome.candidate = {0.75, 0.7, 0.5};
  outcome.delta = 0.25;
  outcome.classes = {{"it's \"new\"", 40, true, false, 10, 30}};
  outcome.blocks_won = 7;
  outcome.blocks_lost = 1;
  outcome.blocks_tied = 2;
  outcome.p_value = 0.07;
  outcome.rehearsal_samples = 9;
  outcome.rehearsal_incumbent = 0.875;
  outcome.rehearsal_candidate = 0.9375;
  return outcome;
}

void expect_figures(const GstStructure* gate) {
  EXPECT_EQ(text_field(gate, "reason"), "because");
  EXPECT_EQ(text_field(gate, "metric"), "top1");
  EXPECT_EQ(uint64_field(gate, "samples"), 80U);
  EXPECT_EQ(uint64_field(gate, "judged-samples"), 75U);
  EXPECT_EQ(double_field(structure_field(gate, "incumbent"), "top1"), 0.5);
  EXPECT_EQ(double_field(structure_field(gate, "incumbent"), "loss"), 1.5);
  EXPECT_EQ(double_field(structure_field(gate, "candidate"), "macro-f1"), 0.7);
  EXPECT_EQ(double_field(gate, "delta"), 0.25);
  EXPECT_EQ(text_field(item_of(gate, "classes", 0), "label"), "it's \"new\"");
  EXPECT_EQ(uint64_field(item_of(gate, "classes", 0), "samples"), 40U);
  EXPECT_EQ(uint64_field(item_of(gate, "classes", 0), "incumbent-correct"), 10U);
  EXPECT_EQ(uint64_field(item_of(gate, "classes", 0), "candidate-correct"), 30U);
  EXPECT_EQ(uint64_field(gate, "blocks-won"), 7U);
  EXPECT_EQ(uint64_field(gate, "blocks-lost"), 1U);
  EXPECT_EQ(uint64_field(gate, "blocks-tied"), 2U);
  EXPECT_EQ(double_field(gate, "p-value"), 0.07);
  EXPECT_EQ(uint64_field(gate, "rehearsal-samples"), 9U);
  EXPECT_EQ(double_field(gate, "rehearsal-incumbent"), 0.875);
  EXPECT_EQ(double_field(gate, "rehearsal-candidate"), 0.9375);
}

SampleStored a_sample(LabelSource source, SampleFate fate, const Place& place) {
  SampleStored stored{};
  stored.key = {"stream", 3, 4000, 2};
  stored.place = place;
  stored.label = "a {b}";
  stored.source = source;
  stored.fate = fate;
  stored.side = HoldoutSide::Holdout;
  stored.counts.train = 5;
  stored.counts.duplicates = 6;
  return stored;
}

}  // namespace

TEST(FinetuneMessages, AStoredSampleNamesItsPlaceLabelSourceFateAndSide) {
  const StructurePtr message = only_message(a_sample(LabelSource::Event, SampleFate::Stored, {"stream", 77}));
  const GstStructure* fields = message.get();
  EXPECT_EQ(text_field(fields, "event"), "sample-stored");
  EXPECT_EQ(text_field(fields, "stream-id"), "stream");
  EXPECT_EQ(uint64_field(fields, "epoch"), 3U);
  EXPECT_EQ(uint64_field(fields, "running-time"), 4000U);
  EXPECT_EQ(uint64_field(fields, "stream-time"), 77U);
  EXPECT_EQ(uint_field(fields, "region"), 2U);
  EXPECT_EQ(text_field(fields, "label"), "a {b}");
  EXPECT_EQ(text_field(fields, "source"), "event");
  EXPECT_EQ(text_field(fields, "fate"), "stored");
  EXPECT_EQ(text_field(fields, "side"), "holdout");
  EXPECT_EQ(uint64_field(fields, "train-samples"), 5U);
  EXPECT_EQ(uint64_field(fields, "duplicates"), 6U);
}

TEST(FinetuneMessages, ALivePlaceIsNoStreamTimeAndAnAddedSampleHasNoPlace) {
  const StructurePtr live = only_message(a_sample(LabelSource::Event, SampleFate::LeftOut, {"stream#3", 77}));
  EXPECT_EQ(uint64_field(live.get(), "stream-time"), GST_CLOCK_TIME_NONE);
  EXPECT_EQ(text_field(live.get(), "fate"), "left-out");
  EXPECT_FALSE(gst_structure_has_field(live.get(), "side"));
  const StructurePtr added = only_message(a_sample(LabelSource::Added, SampleFate::Stored, {"added", 1}));
  for (const char* field : {"stream-id", "running-time", "stream-time", "epoch", "region"})
    EXPECT_FALSE(gst_structure_has_field(added.get(), field)) << field;
}

TEST(FinetuneMessages, ALabelRequestHoldsAJpegThumbnail) {
  LabelRequest request{};
  request.id = 42;
  request.key.stream_id = "stream";
  request.top = {{"cat", 3, 0.4}};
  request.margin = 0.1;
  request.jpeg = {0xff, 0xd8, 0xff};
  const StructurePtr message = only_message(request);
  EXPECT_EQ(text_field(message.get(), "event"), "label-request");
  EXPECT_EQ(uint64_field(message.get(), "request-id"), 42U);
  EXPECT_EQ(double_field(message.get(), "margin"), 0.1);
  EXPECT_EQ(text_field(item_of(message.get(), "top", 0), "label"), "cat");
  const GValue* thumbnail = gst_structure_get_value(message.get(), "thumbnail");
  ASSERT_TRUE(thumbnail && G_VALUE_HOLDS(thumbnail, GST_TYPE_SAMPLE));
  GstSample* sample = gst_value_get_sample(thumbnail);
  EXPECT_STREQ(gst_structure_get_name(gst_caps_get_structure(gst_sample_get_caps(sample), 0)), "image/jpeg");
  EXPECT_EQ(gst_buffer_get_size(gst_sample_get_buffer(sample)), 3U);
}

TEST(FinetuneMessages, ARunNamesItsClassesRecipeAndNotesAndEachEpochItsFigures) {
  Recipe recipe;
  recipe.lr = 0.25;
  const StructurePtr started = only_message(TrainStarted{2, 30, 10, {"a", "b"}, recipe, {"lr=0.25: as asked"}});
  EXPECT_EQ(text_field(started.get(), "event"), "train-started");
  EXPECT_EQ(uint64_field(started.get(), "run"), 2U);
  EXPECT_EQ(uint64_field(started.get(), "train-samples"), 30U);
  EXPECT_EQ(uint64_field(started.get(), "holdout-samples"), 10U);
  EXPECT_EQ(texts_of(started.get(), "classes"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(texts_of(started.get(), "notes"), (std::vector<std::string>{"lr=0.25: as asked"}));
  EXPECT_EQ(text_field(structure_field(started.get(), "recipe"), "lr"), "0.25");
  const StructurePtr epoch = only_message(EpochEnded{2, 3, 10, 0.5, 0.75, 1.5});
  EXPECT_EQ(text_field(epoch.get(), "event"), "epoch");
  EXPECT_EQ(uint_field(epoch.get(), "epoch"), 3U);
  EXPECT_EQ(uint_field(epoch.get(), "epochs"), 10U);
  EXPECT_EQ(double_field(epoch.get(), "loss"), 0.5);
  EXPECT_EQ(double_field(epoch.get(), "accuracy"), 0.75);
  EXPECT_EQ(double_field(epoch.get(), "seconds"), 1.5);
}

TEST(FinetuneMessages, AGateHoldsEveryFigureAndAsks) {
  const StructurePtr message = only_message(Gated{4, an_outcome(GateVerdict::Promoted), "head", true});
  EXPECT_EQ(text_field(message.get(), "event"), "gate");
  EXPECT_EQ(text_field(message.get(), "verdict"), "promoted");
  EXPECT_EQ(text_field(message.get(), "candidate-kind"), "head");
  gboolean asks = FALSE;
  EXPECT_TRUE(gst_structure_get_boolean(message.get(), "asks", &asks));
  EXPECT_TRUE(asks);
  expect_figures(message.get());
}

TEST(FinetuneMessages, OnlyARejectedCandidateHasASecondMessage) {
  EXPECT_EQ(learner_messages(Gated{4, an_outcome(GateVerdict::Undecided), "head", false}).size(), 1U);
  const std::vector<StructurePtr> messages =
      learner_messages(Gated{4, an_outcome(GateVerdict::Rejected), "layer4", false});
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(text_field(messages[0].get(), "event"), "gate");
  EXPECT_EQ(text_field(messages[1].get(), "event"), "rejected");
  EXPECT_EQ(text_field(messages[1].get(), "reason"), "because");
  EXPECT_EQ(text_field(messages[1].get(), "candidate-kind"), "layer4");
}

TEST(FinetuneMessages, APromotionNamesTheGenerationItsLabelsAndItsGate) {
  const StructurePtr judged =
      only_message(Promoted{4, 9, "abc", "head", {"a", "b"}, 1.25, an_outcome(GateVerdict::Promoted)});
  EXPECT_EQ(text_field(judged.get(), "event"), "promoted");
  EXPECT_EQ(uint64_field(judged.get(), "model-generation"), 9U);
  EXPECT_EQ(text_field(judged.get(), "model-hash"), "abc");
  EXPECT_EQ(texts_of(judged.get(), "labels"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(double_field(judged.get(), "temperature"), 1.25);
  ASSERT_NE(structure_field(judged.get(), "gate"), nullptr);
  expect_figures(structure_field(judged.get(), "gate"));
  const StructurePtr instant = only_message(Promoted{0, 2, "d", "instant-head", {"a", "b"}, 1, {}});
  EXPECT_FALSE(gst_structure_has_field(instant.get(), "gate"));
}

TEST(FinetuneMessages, TheOthersNameTheirReasonFileOrError) {
  const StructurePtr back = only_message(RolledBack{5, "abc", "asked for"});
  EXPECT_EQ(text_field(back.get(), "event"), "rolled-back");
  EXPECT_EQ(uint64_field(back.get(), "model-generation"), 5U);
  EXPECT_EQ(text_field(back.get(), "reason"), "asked for");
  const StructurePtr written = only_message(CheckpointWritten{"/a/b.safetensors", 6});
  EXPECT_EQ(text_field(written.get(), "event"), "checkpoint");
  EXPECT_EQ(text_field(written.get(), "path"), "/a/b.safetensors");
  EXPECT_EQ(uint64_field(written.get(), "model-generation"), 6U);
  EXPECT_EQ(text_field(only_message(NotTrained{"one class"}).get(), "reason"), "one class");
  const StructurePtr failed = only_message(LearnerFailed{{ErrorCode::OutOfMemory, "full", "less"}});
  EXPECT_EQ(text_field(failed.get(), "event"), "error");
  EXPECT_EQ(text_field(failed.get(), "code"), "out-of-memory");
  EXPECT_EQ(text_field(failed.get(), "message"), "full");
  EXPECT_EQ(text_field(failed.get(), "hint"), "less");
}

TEST(FinetuneMessages, SamplesPerClassNamesEachClassOnceAndCountsWhatNeverCame) {
  LearnerStatus status;
  status.store.train = 3;
  status.store.train_per_class = {{"a", 2}, {"b", 1}};
  status.store.holdout_per_class = {{"b", 4}};
  status.labels_refused = 5;
  status.frames_without_slot = 6;
  const StructurePtr samples = samples_structure(status);
  EXPECT_EQ(gst_value_array_get_size(gst_structure_get_value(samples.get(), "classes")), 2U);
  EXPECT_EQ(text_field(item_of(samples.get(), "classes", 1), "label"), "b");
  EXPECT_EQ(uint64_field(item_of(samples.get(), "classes", 1), "train"), 1U);
  EXPECT_EQ(uint64_field(item_of(samples.get(), "classes", 1), "holdout"), 4U);
  EXPECT_EQ(uint64_field(samples.get(), "train-samples"), 3U);
  EXPECT_EQ(uint64_field(samples.get(), "labels-refused"), 5U);
  EXPECT_EQ(uint64_field(samples.get(), "frames-without-slot"), 6U);
}

}  // namespace resnetft::testing
