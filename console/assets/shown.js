// Numbers, sizes and moments as common/shown.h writes them: Swiss, by the page's language, in the time of the server, not of the browser.
const lang = document.documentElement.lang;
const two = (n) => String(n).padStart(2, "0");

// "8,1", "12’345"; at most one digit behind the point.
export function number(n) {
    const [whole, part] = (Math.round(n * 10) / 10).toString().split(".");
    return whole.replace(/\B(?=(\d{3})+$)/g, lang === "en" ? "," : "’") + (part ? (lang === "en" ? "." : ",") + part : "");
}

export const megabytes = (n) => `${number(n / 1e6)} M${lang === "fr" ? "o" : "B"}`;
export const seconds = (n) => (n < 1 && n > 0 ? "< 1 s" : `${number(n)} s`);

// A moment as the server's templates write it for us, "2026-11-30T03:15:07" in its time: milliseconds that are right in UTC.
export const wall = (text) => Date.parse(`${text}Z`);

export function clock(ms) {
    const at = new Date(ms);
    return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

export function day(ms) {
    const at = new Date(ms), d = two(at.getUTCDate()), m = two(at.getUTCMonth() + 1);
    return lang === "en" ? `${m}-${d}` : `${d}.${m}.`;
}

export function moment(ms) {
    const year = new Date(ms).getUTCFullYear();
    return `${lang === "en" ? `${year}-${day(ms)}` : `${day(ms)}${year}`} ${clock(ms)}`;
}

// Of the browser's clock, in the server's time.
export const here = (ms) => ms + Number(document.body.dataset.offset) * 60000;
