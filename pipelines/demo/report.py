# SPDX-License-Identifier: MIT
"""report.html: the figures, accuracy over time, what the learner did. Whole in itself."""
import html

STYLE = "body{font:15px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.2em .8em;text-align:left}svg{width:100%}"
WIDTH, HEIGHT = 900, 200


def table(header, rows):
    cells = lambda kind, values: "".join(f"<{kind}>{html.escape(str(value))}</{kind}>" for value in values)  # noqa: E731
    return ("<table><tr>" + cells("th", header) + "</tr>"
            + "".join("<tr>" + cells("td", row) + "</tr>" for row in rows) + "</table>")


def chart(curves, marks, end):
    """`curves`: name, colour, [(seconds, share)]; `marks`: [(seconds, text)]."""
    def x(seconds):
        return 30 + seconds / max(end, 1) * (WIDTH - 40)

    def y(share):
        return HEIGHT - 20 - share * (HEIGHT - 40)

    parts = [f'<text x="0" y="{y(share) + 4:.0f}" font-size="11">{share:.1f}</text>' for share in (0, 0.5, 1)]
    for seconds, text in marks:
        parts.append(f'<line x1="{x(seconds):.1f}" x2="{x(seconds):.1f}" y1="10" y2="{HEIGHT - 20}" stroke="#ccc"/>'
                     f'<text x="{x(seconds):.1f}" y="9" font-size="9">{html.escape(text)}</text>')
    for name, colour, points in curves:
        line = " ".join(f"{x(seconds):.1f},{y(share):.1f}" for seconds, share in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"><title>'
                     f"{html.escape(name)}</title></polyline>")
    parts.append(f'<text x="30" y="{HEIGHT - 4}" font-size="11">0 s</text>'
                 f'<text x="{WIDTH - 50}" y="{HEIGHT - 4}" font-size="11">{end:.0f} s</text>')
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'


def write(path, figures, curves, marks, end, gates, timeline):
    """`figures`: [(name, value)]; `gates`: [(time, fields)]; `timeline`: the lines that were printed."""
    rows = [(time, *(gate[name] for name in ("candidate-kind", "verdict")), f"{gate['candidate']:.3f}",
             f"{gate['incumbent']:.3f}", gate["samples"], gate["reason"]) for time, gate in gates]
    legend = " ".join(f'<span style="color:{colour}">{html.escape(name)}</span>' for name, colour, _ in curves)
    path.write_text("".join((
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>resnetft: learning while it plays</title>',
        f"<style>{STYLE}</style><h1>Learning while it plays</h1>", table(("what", "value"), figures),
        f"<h2>Right answers over time</h2><p>{legend}; lines: a new generation</p>", chart(curves, marks, end),
        "<h2>What the gate said</h2>",
        table(("at", "candidate", "verdict", "it", "the incumbent", "held-out samples", "reason"), rows),
        "<h2>Timeline</h2><pre>", html.escape("\n".join(timeline)), "</pre></html>")), encoding="utf-8")
