# SPDX-License-Identifier: MIT
"""The live-learning demo; pipelines/demo.sh sets up, builds and calls it. Exit status 0: it learned what it should."""
import argparse
import os
import pathlib
import sys

import gi
gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

import accuracy
import keyboard
import labels
import player
import report
import scenes

WANTED, WANTED_ABOVE = 0.95, 0.3


def arguments():
    parser = argparse.ArgumentParser(prog="pipelines/demo.sh", description="Learns new things while the video plays: "
                                     "generated scenes, your own recording, or a camera.")
    parser.add_argument("--model", required=True, metavar="FILE", help="the model to begin with")
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="where video, model and report go (demo-out)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other scenes")
    parser.add_argument("--input", metavar="FILE", help="a recording of your own, with --labels")
    parser.add_argument("--labels", metavar="FILE", help="what it shows when: lines of from-seconds,to-seconds,label[,use]")
    parser.add_argument("--camera", nargs="?", const="v4l2src", metavar="SOURCE", help="a camera (v4l2src), labels by keys")
    parser.add_argument("--names", default="one,two,three", help="with --camera: the labels of the keys 1 to 9")
    parser.add_argument("--show", action="store_true", help="in a window, too")
    chosen = parser.parse_args()
    if bool(chosen.input) != bool(chosen.labels) or chosen.input and chosen.camera:
        parser.error("--input and --labels belong together, without --camera")
    if chosen.show and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        parser.error("--show: there is no display")
    return chosen


def source_of(chosen):
    if chosen.camera:
        return chosen.camera
    if chosen.input:
        return f'filesrc location="{chosen.input}" ! decodebin'
    return scenes.description()


def main():
    Gst.init(None)
    chosen = arguments()
    out = pathlib.Path(chosen.out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        spans = [] if chosen.camera else labels.read(chosen.labels) if chosen.input else scenes.spans()
        pipeline = Gst.parse_launch(player.launch_line(source_of(chosen), chosen.model, out, chosen.show))
    except (OSError, labels.BadLabels, GLib.Error) as error:
        sys.exit(f"demo: error: {getattr(error, 'message', error)}")
    if not chosen.camera and not chosen.input:
        scenes.animate(pipeline, chosen.seed)
    timeline = []

    def say(time_ns, text):
        timeline.append(f"{player.clock(time_ns):>9}  {text}")
        print(timeline[-1], flush=True)

    if chosen.camera:
        with keyboard.Keyboard(chosen.names.split(",")) as keys:
            play = player.Player(pipeline, lambda _: keys.label, say)
            failure = play.run(keys.ended)
    else:
        track = labels.Track([span for span in spans if span.use == "learn"])
        play = player.Player(pipeline, lambda time: getattr(track.at(time), "label", ""), say)
        failure = play.run()
    saved = not failure and play.save(str(out / "model.safetensors"))
    play.close()
    if failure:
        sys.exit(f"demo: error: the pipeline ended with: {failure}")
    good = tell(play, spans, out, timeline)
    print(f"demo: {out} has annotated.mkv, report.html" + (", model.safetensors" if saved else "; no model could be saved"))
    sys.exit(0 if saved and (good or chosen.input or chosen.camera) else 1)


def tell(play, spans, out, timeline):
    """Prints the figures and writes the report; whether it learned what it should."""
    before, after = (accuracy.judged(play.seen[name], spans) for name in ("base", "model"))
    figures = [("frames shown", len(play.seen["model"])), ("generations", len(play.promotions))]
    good = False
    if after:
        values = accuracy.accuracy(before), accuracy.renamed_in_hindsight(before), accuracy.accuracy(after)
        good = values[2] >= WANTED and values[2] >= values[0] + WANTED_ABOVE
        figures += [("frames judged", len(after)), ("accuracy before: the base model, its own names", f"{values[0]:.3f}"),
                    ("the base's answers renamed in hindsight, as well as can be", f"{values[1]:.3f}"),
                    ("accuracy after", f"{values[2]:.3f}")]
    for name, value in figures:
        print(f"demo: {name}: {value}")
    end = max((entry.time for entry in play.seen["model"]), default=0) / 1e9
    report.write(out / "report.html", figures,
                 [("with learning", "#06c", accuracy.over_time(play.seen["model"], spans)),
                  ("the base", "#c60", accuracy.over_time(play.seen["base"], spans))],
                 [(promotion[0] / 1e9, str(promotion[1])) for promotion in play.promotions], end,
                 [(player.clock(time), gate) for time, gate in play.gates], timeline)
    return good


if __name__ == "__main__":
    main()
