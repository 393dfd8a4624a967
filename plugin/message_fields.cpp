// SPDX-License-Identifier: MIT
#include "message_fields.h"

namespace resnetft {
namespace {

// `fill` gives an empty GValue its type and value.
template <class Items, class Fill>
void set_array(GstStructure* structure, const char* field, Items&& items, Fill fill) {
  GValue array = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  for (auto& item : items) {
    GValue value = G_VALUE_INIT;
    fill(&value, item);
    gst_value_array_append_and_take_value(&array, &value);
  }
  gst_structure_take_value(structure, field, &array);
}

}  // namespace

void set_error_fields(GstStructure* structure, const Error& error) {
  gst_structure_set(structure, "code", G_TYPE_STRING, std::string(error_name(error.code)).c_str(), "message",
                    G_TYPE_STRING, error.message.c_str(), "hint", G_TYPE_STRING, error.hint.c_str(), nullptr);
}

void set_classes(GstStructure* structure, const char* field, std::span<const ScoredClass> classes) {
  std::vector<StructurePtr> items;
  for (const ScoredClass& scored : classes)
    items.emplace_back(gst_structure_new("class", "label", G_TYPE_STRING, scored.label.c_str(), "label-id", G_TYPE_INT,
                                         static_cast<gint>(scored.label_id), "confidence", G_TYPE_DOUBLE,
                                         scored.confidence, nullptr));
  set_structures(structure, field, std::move(items));
}

void set_floats(GstStructure* structure, const char* field, std::span<const float> values) {
  set_array(structure, field, values, [](GValue* value, float number) {
    g_value_init(value, G_TYPE_FLOAT);
    g_value_set_float(value, number);
  });
}

void set_texts(GstStructure* structure, const char* field, std::span<const std::string> texts) {
  set_array(structure, field, texts, [](GValue* value, const std::string& text) {
    g_value_init(value, G_TYPE_STRING);
    g_value_set_string(value, text.c_str());
  });
}

void set_structures(GstStructure* structure, const char* field, std::vector<StructurePtr> items) {
  set_array(structure, field, items, [](GValue* value, StructurePtr& item) {
    g_value_init(value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(value, item.release());
  });
}

void set_structure(GstStructure* structure, const char* field, StructurePtr value) {
  GValue boxed = G_VALUE_INIT;
  g_value_init(&boxed, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&boxed, value.release());
  gst_structure_take_value(structure, field, &boxed);
}

void post_structure(GstElement* element, StructurePtr structure) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), structure.release()));
}

}  // namespace resnetft
