// What every page loads. The pages work without any of it, except dropping files: this makes them live and spares clicks.
import { live } from "./live.js";
import { once } from "./forms.js";
import { typed } from "./typed.js";

const page = document.body.dataset.page;
for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
once(document);
typed(page);
if (document.body.dataset.liveFrom) live(document.body.dataset.liveFrom);

const modules = {
    schedule: () => import("./schedule.js"),
    backups: () => import("./chart.js"),
    timeline: () => import("./timeline.js"),
    restore: () => import("./upload.js"),
    certificates: () => import("./files.js"),
};
if (modules[page]) modules[page]().then((module) => module.start());
