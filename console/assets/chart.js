import { clock, day, megabytes, moment, seconds, wall } from "./shown.js";

// Size and duration of the backups over time, drawn by uPlot from the table beneath it.
export function library() {
    return new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = new URL("./vendor/uplot.js", import.meta.url);
        script.onload = () => done(window.uPlot);
        script.onerror = failed;
        document.head.append(script);
    });
}

function rows() {
    return [...document.querySelectorAll("#runs-table tbody tr")]
        .map((row) => [wall(row.dataset.time) / 1000, Number(row.dataset.size) / 1e6, Number(row.dataset.duration) / 1000])
        .filter((row) => row.every(Number.isFinite))
        .sort((a, b) => a[0] - b[0]);
}

// The same day or minute is written once.
const unlike = (texts) => texts.map((text, i) => (i && text === texts[i - 1] ? "" : text));

let plot = null;

function draw(uPlot) {
    const box = document.getElementById("chart"), data = rows();
    plot?.destroy();
    plot = null;
    if (!box) return;
    box.closest("section").hidden = data.length < 2; // one point is no line
    if (data.length < 2) return;
    const style = getComputedStyle(document.body), colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const short = data.at(-1)[0] - data[0][0] < 2 * 86400;
    plot = new uPlot({
        width: box.clientWidth,
        height: 220,
        series: [
            { label: box.dataset.time, value: (_, v) => (v === null ? "–" : moment(v * 1000)) },
            { label: box.dataset.size, scale: "mb", stroke: colour("--accent"), width: 2, points: { size: 6 }, value: (_, v) => (v === null ? "–" : megabytes(v * 1e6)) },
            { label: box.dataset.duration, scale: "s", stroke: colour("--warn"), width: 2, dash: [6, 4], points: { size: 6 }, value: (_, v) => (v === null ? "–" : seconds(v)) },
        ],
        scales: { mb: { range: (_, __, max) => [0, max * 1.15 || 1] }, s: { range: (_, __, max) => [0, max * 1.15 || 1] } },
        axes: [
            { ...axis, space: 70, values: (_, splits) => unlike(splits.map((v) => (short ? clock : day)(v * 1000))) },
            { ...axis, scale: "mb", size: 70, values: (_, splits) => splits.map((v) => megabytes(v * 1e6)) },
            { ...axis, scale: "s", side: 1, size: 60, grid: { show: false }, values: (_, splits) => splits.map((v) => seconds(v)) },
        ],
    }, [0, 1, 2].map((i) => data.map((row) => row[i])), box);
}

export async function start() {
    if (!document.getElementById("runs")) return;
    const uPlot = await library();
    draw(uPlot);
    document.getElementById("runs").addEventListener("live", () => draw(uPlot));
    window.addEventListener("resize", () => { const box = document.getElementById("chart"); if (plot && box) plot.setSize({ width: box.clientWidth, height: 220 }); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(uPlot));
}
