// SPDX-License-Identifier: MIT
// Owners of GObjects, GstMiniObjects and GStructures: `adopt` takes over a reference, `share` makes one more.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <memory>
#include <type_traits>
#include <utility>

namespace resnetft {

// Three hide their structs; the others show that they are mini objects.
template <class T>
constexpr bool is_mini_object() {
  if constexpr (std::is_same_v<T, GstSample> || std::is_same_v<T, GstVideoOverlayComposition> ||
                std::is_same_v<T, GstContext>)
    return true;
  else
    return requires(T object) { object.mini_object; };
}

template <class T>
class GRef {
 public:
  GRef() = default;
  static GRef adopt(T* object) {
    GRef ref;
    ref.object_ = object;
    return ref;
  }
  static GRef share(T* object) {
    if (object) add_reference(object);
    return adopt(object);
  }
  GRef(const GRef& other) : GRef(share(other.object_)) {}
  GRef(GRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  GRef& operator=(GRef other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~GRef() {
    if (object_) drop_reference(object_);
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  T* release() { return std::exchange(object_, nullptr); }

 private:
  static void add_reference(T* object) {
    if constexpr (is_mini_object<T>())
      gst_mini_object_ref(reinterpret_cast<GstMiniObject*>(object));
    else
      g_object_ref(object);
  }
  static void drop_reference(T* object) {
    if constexpr (is_mini_object<T>())
      gst_mini_object_unref(reinterpret_cast<GstMiniObject*>(object));
    else
      g_object_unref(object);
  }

  T* object_ = nullptr;
};

struct FreeStructure {
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};
using StructurePtr = std::unique_ptr<GstStructure, FreeStructure>;

struct FreeText {
  void operator()(gchar* text) const { g_free(text); }
};
using TextPtr = std::unique_ptr<gchar, FreeText>;

}  // namespace resnetft
