// SPDX-License-Identifier: MIT
#include "overlay.h"

#include <pango/pangocairo.h>

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

constexpr int kSmallestCapital_px = 10;
constexpr int kCapitalShare = 24;  // of the frame's height
// White on this box over a white picture: (1 + 0.05) / (0.033 + 0.05) = 12.6:1, the worst that a picture can do.
constexpr double kBoxOpacity = 0.8;
constexpr size_t kKeptTexts = 32;
constexpr const char* kFontFamily = "Sans Bold";

struct CairoFree {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
using SurfacePtr = std::unique_ptr<cairo_surface_t, CairoFree>;
using ContextPtr = std::unique_ptr<cairo_t, CairoFree>;
struct FontFree {
  void operator()(PangoFontDescription* font) const { pango_font_description_free(font); }
};
using FontPtr = std::unique_ptr<PangoFontDescription, FontFree>;

SurfacePtr empty_surface() { return SurfacePtr(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, 1, 1)); }

GRef<PangoLayout> make_layout(cairo_t* context, const PangoFontDescription* font, const std::string& text) {
  GRef<PangoLayout> layout = GRef<PangoLayout>::adopt(pango_cairo_create_layout(context));
  pango_layout_set_font_description(layout.get(), font);
  pango_layout_set_single_paragraph_mode(layout.get(), TRUE);
  const TextPtr valid(g_utf8_make_valid(text.c_str(), static_cast<gssize>(text.size())));
  pango_layout_set_text(layout.get(), valid.get(), -1);
  return layout;
}

PangoRectangle ink_of(PangoLayout* layout) {
  PangoRectangle ink, logical;
  pango_layout_get_pixel_extents(layout, &ink, &logical);
  return ink;
}

PangoRectangle extents_of(PangoLayout* layout) {
  PangoRectangle ink, logical;
  pango_layout_get_pixel_extents(layout, &ink, &logical);
  return logical;
}

// The font whose H is at least `capital_px` high: fonts differ in how much of their size a capital takes. One row more,
// for the outermost may be painted faintly.
FontPtr font_for(cairo_t* context, int capital_px) {
  FontPtr font(pango_font_description_from_string(kFontFamily));
  int size = capital_px;
  for (; size < 3 * capital_px; ++size) {
    pango_font_description_set_absolute_size(font.get(), size * PANGO_SCALE);
    if (ink_of(make_layout(context, font.get(), "H").get()).height > capital_px) break;
  }
  return font;
}

std::string percent_text(double confidence) {
  return std::to_string(static_cast<int>(std::lround(100 * confidence))) + " %";
}

// A line of a label and its confidence, measured: the label gives way where the frame is narrow.
struct Line {
  GRef<PangoLayout> label;
  GRef<PangoLayout> confidence;
  int padding, label_width, width, height;
};

Line lay_out(cairo_t* context, const OverlayLabel& text, int frame_width, int frame_height) {
  const int capital = capital_height(frame_height);
  const FontPtr font = font_for(context, capital);
  Line line{make_layout(context, font.get(), text.label),
            make_layout(context, font.get(), percent_text(text.confidence)),
            std::max(2, capital / 3),
            0,
            0,
            0};
  const PangoRectangle confidence = extents_of(line.confidence.get());
  const int room = frame_width - 3 * line.padding - confidence.width;
  pango_layout_set_ellipsize(line.label.get(), PANGO_ELLIPSIZE_END);
  if (extents_of(line.label.get()).width > room)
    pango_layout_set_width(line.label.get(), std::max(0, room) * PANGO_SCALE);
  const PangoRectangle label = extents_of(line.label.get());
  line.label_width = label.width;
  line.width = 3 * line.padding + label.width + confidence.width;
  line.height = std::max(label.height, confidence.height) + line.padding;
  return line;
}

void paint(cairo_t* context, const Line& line) {
  cairo_set_source_rgba(context, 0, 0, 0, kBoxOpacity);
  cairo_paint(context);
  cairo_set_source_rgb(context, 1, 1, 1);
  cairo_move_to(context, line.padding, line.padding / 2.0);
  pango_cairo_show_layout(context, line.label.get());
  cairo_move_to(context, 2 * line.padding + line.label_width, line.padding / 2.0);
  pango_cairo_show_layout(context, line.confidence.get());
}

// Cairo's ARGB32 is a native 32-bit number, and so is GStreamer's name for an overlay's pixels.
GRef<GstBuffer> to_buffer(cairo_surface_t* surface, int width, int height) {
  cairo_surface_flush(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  const gsize size = static_cast<gsize>(stride) * static_cast<gsize>(height);
  GRef<GstBuffer> buffer = GRef<GstBuffer>::adopt(gst_buffer_new_memdup(cairo_image_surface_get_data(surface), size));
  gsize offsets[GST_VIDEO_MAX_PLANES] = {};
  gint strides[GST_VIDEO_MAX_PLANES] = {stride};
  gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB,
                                 static_cast<guint>(width), static_cast<guint>(height), 1, offsets, strides);
  return buffer;
}

int place(int wanted, int size, int limit) { return std::clamp(wanted, 0, std::max(0, limit - size)); }

GRef<GstVideoOverlayComposition> extended(GstBuffer* buffer, std::span<GstVideoOverlayRectangle* const> rectangles) {
  GstVideoOverlayCompositionMeta* meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  GstVideoOverlayComposition* composition =
      meta ? gst_video_overlay_composition_copy(meta->overlay) : gst_video_overlay_composition_new(nullptr);
  for (GstVideoOverlayRectangle* rectangle : rectangles)
    gst_video_overlay_composition_add_rectangle(composition, rectangle);
  if (meta) gst_buffer_remove_video_overlay_composition_meta(buffer, meta);
  return GRef<GstVideoOverlayComposition>::adopt(composition);
}

// Writing into memory that others share makes a copy of it for this buffer alone.
bool blend(GstBuffer* buffer, const GstVideoInfo& info, std::span<GstVideoOverlayRectangle* const> rectangles) {
  const auto composition = GRef<GstVideoOverlayComposition>::adopt(gst_video_overlay_composition_new(nullptr));
  for (GstVideoOverlayRectangle* rectangle : rectangles)
    gst_video_overlay_composition_add_rectangle(composition.get(), rectangle);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info, buffer, static_cast<GstMapFlags>(GST_MAP_READWRITE))) return false;
  const bool done = gst_video_overlay_composition_blend(composition.get(), &frame);
  gst_video_frame_unmap(&frame);
  return done;
}

}  // namespace

int capital_height(int frame_height) {
  return std::max(kSmallestCapital_px, (frame_height + kCapitalShare - 1) / kCapitalShare);
}

const Overlay::Drawn* Overlay::render(const OverlayLabel& label, int frame_width, int frame_height) {
  const std::string key = std::to_string(frame_width) + "x" + std::to_string(frame_height) + " " +
                          percent_text(label.confidence) + " " + label.label;
  const auto known = std::ranges::find(drawn_, key, &Drawn::key);
  if (known != drawn_.end()) return &*known;

  const SurfacePtr measuring = empty_surface();
  const ContextPtr measure(cairo_create(measuring.get()));
  const Line line = lay_out(measure.get(), label, frame_width, frame_height);
  if (line.width > frame_width || line.height > frame_height) return nullptr;
  const SurfacePtr surface(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, line.width, line.height));
  const ContextPtr context(cairo_create(surface.get()));
  paint(context.get(), line);
  if (drawn_.size() >= kKeptTexts) drawn_.erase(drawn_.begin());
  drawn_.push_back({key, to_buffer(surface.get(), line.width, line.height), line.width, line.height});
  return &drawn_.back();
}

bool Overlay::draw(GstBuffer* buffer, const GstVideoInfo& info, std::span<const OverlayLabel> labels, Way way) {
  const int frame_width = GST_VIDEO_INFO_WIDTH(&info), frame_height = GST_VIDEO_INFO_HEIGHT(&info);
  std::vector<GstVideoOverlayRectangle*> rectangles;
  for (const OverlayLabel& label : labels) {
    const Drawn* drawn = render(label, frame_width, frame_height);
    if (!drawn) continue;
    // Even numbers: a 4:2:0 picture has one chroma value for two pixels.
    const int x = place(label.x, drawn->width, frame_width) & ~1;
    const int y = place(label.above ? label.y - drawn->height : label.y, drawn->height, frame_height) & ~1;
    rectangles.push_back(gst_video_overlay_rectangle_new_raw(
        drawn->pixels.get(), x, y, static_cast<guint>(drawn->width), static_cast<guint>(drawn->height),
        GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA));
  }
  if (rectangles.empty()) return true;
  bool done = true;
  if (way == Way::Attach)
    gst_buffer_add_video_overlay_composition_meta(buffer, extended(buffer, rectangles).get());
  else
    done = blend(buffer, info, rectangles);
  for (GstVideoOverlayRectangle* rectangle : rectangles) gst_video_overlay_rectangle_unref(rectangle);
  return done;
}

}  // namespace resnetft
