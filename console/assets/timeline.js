// One day: what was written each minute, drawn by uPlot from the numbers beside it; a click chooses the moment.
import { library } from "./chart.js";

const two = (n) => String(Math.floor(n)).padStart(2, "0");
const clock = (minute) => `${two(minute / 60)}:${two(minute % 60)}`;

function numbers(box) {
    const counts = box.dataset.minutes.split(",").map(Number);
    return [counts.map((_, i) => i), counts];
}

// Gaps in red, and a line for each thing that happened, behind what was written.
function happened(box, colour) {
    const colours = { backup: colour("--accent"), proof: colour("--good"), restore: colour("--warn"), block: colour("--soft"), open: colour("--soft"), "drill-failed": colour("--bad") };
    const gaps = box.dataset.gaps.split(",").filter(Boolean).map((gap) => gap.split("-").map(Number));
    const marks = box.dataset.marks.split(",").filter(Boolean).map((mark) => { const [at, kind] = mark.split(":"); return [Number(at), kind]; });
    return (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.globalAlpha = 0.35;
        ctx.fillStyle = colour("--bad");
        for (const [from, to] of gaps) {
            const left = plot.valToPos(Math.max(from, 0), "x", true), right = plot.valToPos(to, "x", true);
            ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
        }
        ctx.globalAlpha = 1;
        ctx.lineWidth = 2 * devicePixelRatio;
        for (const [at, kind] of marks) {
            const x = plot.valToPos(at, "x", true);
            ctx.strokeStyle = colours[kind] ?? colour("--soft");
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
        }
        ctx.restore();
    };
}

let plot = null;

function choose(box, minute) {
    const field = document.getElementById("to");
    if (!field) return;
    field.value = `${box.dataset.day} ${clock(minute)}:00`;
    field.focus();
}

function draw(uPlot) {
    const box = document.getElementById("day-chart"), data = numbers(box);
    plot?.destroy();
    const style = getComputedStyle(document.body), colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    plot = new uPlot({
        width: box.clientWidth,
        height: 220,
        series: [
            { label: box.dataset.time, value: (_, v) => (v === null ? "–" : clock(v)) },
            { label: box.dataset.written, stroke: colour("--accent"), width: 1, fill: colour("--line"), points: { show: false } },
        ],
        scales: { x: { time: false, range: [0, data[0].length] }, y: { range: (_, __, max) => [0, max * 1.15 || 1] } },
        axes: [
            { ...axis, space: 60, incrs: [60, 120, 180, 240, 360], values: (_, splits) => splits.map((v) => clock(v)) },
            { ...axis, size: 50, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] }, // there is no half transaction
        ],
        cursor: { drag: { x: false, y: false } },
        hooks: { drawClear: [happened(box, colour)] },
    }, data, box);
    plot.over.addEventListener("click", () => { if (plot.cursor.idx !== null && data[0].length === 1440) choose(box, plot.cursor.idx); });
}

export async function start() {
    if (!document.getElementById("day-chart")) return;
    const uPlot = await library();
    draw(uPlot);
    window.addEventListener("resize", () => { const box = document.getElementById("day-chart"); if (plot && box) plot.setSize({ width: box.clientWidth, height: 220 }); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(uPlot));
}
