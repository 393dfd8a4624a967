// SPDX-License-Identifier: MIT
// Fields that the messages of both elements have in common. Labels are values, never field names: they may hold
// anything.
#pragma once

#include <gst/gst.h>

#include <span>
#include <string>
#include <vector>

#include "gst_ref.h"
#include "resnetft/classifier.h"

namespace resnetft {

// code, message, hint.
void set_error_fields(GstStructure* structure, const Error& error);

// Each sets one field, a GST_TYPE_ARRAY: of structures {label, label-id, confidence}, of floats, strings, structures.
void set_classes(GstStructure* structure, const char* field, std::span<const ScoredClass> classes);
void set_floats(GstStructure* structure, const char* field, std::span<const float> values);
void set_texts(GstStructure* structure, const char* field, std::span<const std::string> texts);
void set_structures(GstStructure* structure, const char* field, std::vector<StructurePtr> items);

// A field that is itself a structure.
void set_structure(GstStructure* structure, const char* field, StructurePtr value);

// An element message. No lock may be held.
void post_structure(GstElement* element, StructurePtr structure);

}  // namespace resnetft
