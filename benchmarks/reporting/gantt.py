# SPDX-License-Identifier: Apache-2.0
"""The picture of one all-reduce's pipeline: a row a chunk, a bar a stage; where rows are thin, some of them enlarged beside it."""
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator

from .pipeline import STAGES, stage_shares
from .style import INK, MUTED, STAGE
from .words import percent_text, size_text, time_text

MOST_ROWS = 256    # more would be thinner than a pixel
CLEAR_ROWS = 48    # more need a detail beside them
DETAIL_ROWS = 20


def drawn_chunks(pipe):
    """(chunks that get a row, every how many-th that is)."""
    chunks = sorted({bar.chunk for bar in pipe.bars})
    step = -(-len(chunks) // MOST_ROWS)
    return chunks[::step], step


def detail_chunks(pipe):
    """Neighbours in the middle of the call; none where the picture of all is clear enough."""
    chunks = sorted({bar.chunk for bar in pipe.bars})
    middle = (len(chunks) - DETAIL_ROWS) // 2
    return chunks[middle:middle + DETAIL_ROWS] if len(chunks) > CLEAR_ROWS else []


def height_inches(pipe):
    """Of a whole picture: thin rows where there are many, but never a stripe for a few."""
    return min(5.6, max(2.9, 2.2 + 0.16 * len(drawn_chunks(pipe)[0])))


def draw_rows(axes, pipe, chunks, prefix):
    """The bars of these chunks, first chunk on top. Returns {id of a bar in the SVG: what to say about it}."""
    row_of = {chunk: row for row, chunk in enumerate(chunks)}
    thick = 0.84 if len(chunks) <= CLEAR_ROWS else 1.0  # gaps between hair-thin rows would only shimmer
    notes = {}
    # Where stages overlap, waiting for others lies below what this rank does itself.
    for bar in sorted(pipe.bars, key=lambda bar: bar.stage != "exchange"):
        if bar.chunk not in row_of:
            continue
        name = f"{prefix}-{bar.stage}-{bar.chunk}-{len(notes)}"
        notes[name] = f"chunk {bar.chunk}, {bar.stage}: {time_text(bar.length)} from {time_text(bar.begin)} on, {size_text(bar.bytes)}"
        axes.add_patch(Rectangle((bar.begin, row_of[bar.chunk] - thick / 2), bar.length, thick, facecolor=STAGE[bar.stage], linewidth=0, gid=name))
    if len(chunks) <= CLEAR_ROWS:
        notes.update(draw_gpu(axes, pipe, row_of, prefix))
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if len(chunks) <= 10 * s)
    axes.yaxis.set_major_locator(FixedLocator(range(0, len(chunks), step)))
    axes.yaxis.set_major_formatter(lambda row, _: f"{chunks[int(row)]}")
    axes.set_xlabel("time since the call began (ms)")
    axes.grid(True, axis="x")
    return notes


def draw_gpu(axes, pipe, row_of, prefix):
    """What the GPU did for each chunk, as a dark line along the lower edge of its row."""
    notes = {}
    for bar in pipe.gpu:
        if bar.chunk not in row_of:
            continue
        name = f"{prefix}-gpu-{bar.chunk}-{len(notes)}"
        notes[name] = f"chunk {bar.chunk}, {bar.stage} on the GPU: {time_text(bar.length)} from {time_text(bar.begin)} on"
        axes.add_patch(Rectangle((bar.begin, row_of[bar.chunk] + 0.24), bar.length, 0.18, facecolor=INK, linewidth=0, gid=name))
    return notes


def draw_pipeline(axes, pipe, one_way_ms=None, limit_ms=None):
    chunks, step = drawn_chunks(pipe)
    notes = draw_rows(axes, pipe, chunks, "bar")
    last = max([pipe.length] + [bar.begin + bar.length for bar in pipe.bars] + [limit_ms or 0])
    first = min([0.0] + [bar.begin for bar in pipe.bars])
    axes.set_xlim(first - 0.01 * (last - first), last * 1.02)
    room = max(2.2, 0.14 * len(chunks))  # above the first chunk, for the one-way delay
    axes.set_ylim(len(chunks) - 0.3, -room)
    axes.set_ylabel("chunk")
    mark_times(axes, pipe, limit_ms)
    if one_way_ms:
        mark_distance(axes, pipe, one_way_ms, -0.45 * room)
    shares = dict(stage_shares(pipe))
    legend = [Patch(facecolor=STAGE[stage], label=f"{stage} {percent_text(shares[stage])}") for stage in STAGES if stage in shares]
    if pipe.gpu and len(chunks) <= CLEAR_ROWS:
        legend.append(Patch(facecolor=INK, label="on the GPU"))
    axes.legend(handles=legend, loc="lower left", bbox_to_anchor=(0, 1.0), ncol=len(legend), frameon=False, fontsize=9, handlelength=1.1,
                handleheight=1.0, columnspacing=1.2, handletextpad=0.5, borderaxespad=0.2)
    codec = f" {pipe.codec}" if pipe.codec else ""
    site = f", site {pipe.site}" if pipe.site else ""
    thinned = f"; every {step}th chunk" if step > 1 else ""
    axes.set_title(f"Pipeline of {pipe.name}, {size_text(pipe.bytes)}{codec}, at rank {pipe.rank}{site}{thinned}", pad=28)
    return notes


def draw_detail(axes, pipe, whole):
    """Some neighbours enlarged, and a frame around them in the picture of all."""
    chunks = detail_chunks(pipe)
    notes = draw_rows(axes, pipe, chunks, "detail")
    bars = [bar for bar in pipe.bars if bar.chunk in chunks]
    left, right = min(bar.begin for bar in bars), max(bar.begin + bar.length for bar in bars)
    axes.set_xlim(left - 0.02 * (right - left), right + 0.02 * (right - left))
    axes.set_ylim(len(chunks) - 0.3, -0.7)
    axes.set_title(f"Chunks {chunks[0]} to {chunks[-1]}", fontsize=10)
    rows = [row for row, chunk in enumerate(drawn_chunks(pipe)[0]) if chunks[0] <= chunk <= chunks[-1]]
    whole.add_patch(Rectangle((left, rows[0] - 0.5), right - left, len(rows), fill=False, edgecolor=INK, linewidth=0.9))
    return notes


def mark_times(axes, pipe, limit_ms):
    """The end of the call, and L; named in the corner where a pipeline never is."""
    lines = [axes.axvline(pipe.length, color=INK, linewidth=1, label=f"end {time_text(pipe.length)}")]
    if limit_ms:
        lines.append(axes.axvline(limit_ms, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=f"limit L {time_text(limit_ms)}"))
    corner = axes.legend(handles=lines, loc="upper right", bbox_to_anchor=(0.965, 1.0), ncol=2, frameon=False, fontsize=9, handlelength=1.6,
                         handletextpad=0.5, columnspacing=1.2, borderaxespad=0.2)
    axes.add_artist(corner)  # a second legend would take its place


def mark_distance(axes, pipe, one_way_ms, at):
    """How long light and routers need at least, from the moment the first bytes could leave."""
    starts = [bar.begin for bar in pipe.bars if bar.stage in ("send", "exchange")]
    begin = min(starts) if starts else 0.0
    axes.annotate("", xy=(begin + one_way_ms, at), xytext=(begin, at),
                  arrowprops={"arrowstyle": "|-|,widthA=0.3,widthB=0.3", "color": INK, "shrinkA": 0, "shrinkB": 0})
    inside = one_way_ms > 0.2 * axes.get_xlim()[1]
    axes.annotate(f"one-way delay {time_text(one_way_ms)}", xy=(begin + one_way_ms / 2, at) if inside else (begin + one_way_ms, at),
                  xytext=(0, 3) if inside else (6, 0), textcoords="offset points", ha="center" if inside else "left",
                  va="bottom" if inside else "center", color=INK, fontsize=9)
