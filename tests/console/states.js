// What the page says in each state of the whole. The file STATE switches what is played; SAYS has the sentences.
//   node states.js SAYS STATE
import { readFileSync, writeFileSync } from "node:fs";
import { assert, assertEqual, axe, context, flash, overflow, quiet, scenario, send, signIn } from "./lib.js";

const NAME = "admin", PASSWORD = "ein langes Passwort für Tests";
const KINDS = [["de", 1280], ["en", 1280], ["de", 390], ["en", 390]];
const DOTS = "#services .dot";

// Walked in each state, for what must stand nowhere and nothing wider than the screen; where SAYS has sentences, with axe-core as well.
const PATHS = ["/", "/clients", "/backups", "/timeline", "/schedule", "/restore", "/log"];
const NEVER = { de: ["{{", "undefined", "NaN", "[object", "Everybody", "is running", "not known"], en: ["{{", "undefined", "NaN", "[object", "Alle können", "nicht bekannt", "Sicherung"] };

async function look(page, base, path, lang, must, never, where, accessible = true) {
    await page.goto(`${base}${path}?lang=${lang}`);
    const text = await page.innerText("main"), all = await page.evaluate(() => document.body.textContent);
    for (const sentence of must) assert(text.includes(sentence) || all.includes(sentence), `${where}: «${sentence}» is missing in:\n${text}`);
    for (const sentence of [...never, ...NEVER[lang]]) assert(!text.includes(sentence), `${where}: «${sentence}» must not be in:\n${text}`);
    assert((await overflow(page)) <= 0, `${where} is wider than the screen`);
    if (accessible) assertEqual((await axe(page)).join("\n"), "", `accessibility of ${where}`);
}

// What the console knows of both programs is asked once a second, however many pages are open.
async function settled(page, base, file, state) {
    writeFileSync(file, state);
    const wanted = { keeper: "bad", proxy: "bad", database: "bad" }[state];
    const good = () => page.locator(`${DOTS}.good`).count();
    await page.goto(base);
    await page.waitForFunction(async ([bad]) => {
        const text = await (await fetch("/", { headers: { "Elexgate-Background": "1" } })).text();
        const n = (text.match(/class="dot bad"/g) ?? []).length;
        return bad ? n > 0 : n === 0;
    }, [wanted], { polling: 500, timeout: 30000 });
    await good();
}

async function states(pages, base, says, file) {
    for (const [state, paths] of Object.entries(says)) {
        await settled(pages[0], base, file, state);
        await Promise.all(KINDS.map(async ([lang, width], i) => {
            for (const path of new Set([...Object.keys(paths), ...PATHS])) {
                const [german, neverGerman, english, neverEnglish] = paths[path] ?? [[], [], [], []];
                const [must, never] = lang === "de" ? [german, neverGerman] : [english, neverEnglish];
                await look(pages[i], base, path, lang, must, never, `${state} ${path} ${lang} ${width}`, path in paths);
            }
        }));
    }
}

// The console goes away under open pages: they say so, with the time of what they show, and recover by themselves; nobody has to
// sign in again.
async function gone(pages, base, file, [must, , english]) {
    writeFileSync(file, "up");
    for (const [i, [lang]] of KINDS.entries()) {
        await pages[i].goto(`${base}/?lang=${lang}`);
        assert(await pages[i].locator("#offline").isHidden(), "all is well at first");
    }
    console.log("OPEN");
    await Promise.all(KINDS.map(async ([lang, width], i) => {
        const note = pages[i].locator("#offline"), where = `the console is away, ${lang} ${width}`;
        await note.waitFor({ state: "visible", timeout: 60000 });
        const text = await note.innerText(), says = { de: /nicht erreichbar; Sie sehen den Stand von \d\d:\d\d/, en: /cannot be reached; .*\d\d:\d\d/ }[lang];
        assert(says.test(text), `${where}: ${text}`);
        assert((await overflow(pages[i])) <= 0, `${where}: wider than the screen`);
        assertEqual((await axe(pages[i])).join("\n"), "", `accessibility where ${where}`);
    }));
    console.log("OFFLINE");
    await Promise.all(KINDS.map(async ([lang, width], i) => {
        await pages[i].locator("#offline").waitFor({ state: "hidden", timeout: 60000 });
        await look(pages[i], base, "/", lang, lang === "de" ? must : english, [], `the console is back, ${lang} ${width}`);
    }));
}

// A backup that makes way: what the page offers instead reaches the keeper.
async function instead(page, base, file) {
    await settled(page, base, file, "way");
    for (const words of ["Als Dump sichern", "Alle einen Moment anhalten"]) {
        await page.goto(`${base}/?lang=de`);
        await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: words }).click()]);
    }
}

// "has begun" goes away with what has begun.
async function begun(page, base, file) {
    await settled(page, base, file, "backup");
    await page.goto(`${base}/backups`);
    await send(page, "form[action='/backup'] button");
    assert((await flash(page, "good")).includes("beginnt"), "it says that it begins");
    await page.locator("#job [data-runs]").waitFor();
    writeFileSync(file, "up");
    await page.locator("#job [data-runs]").waitFor({ state: "detached" });
    assertEqual(await page.locator("main > .note.good").count(), 0, "what is said of a backup that has ended");
}

// The session ends while somebody types: nothing is carried out, and what was typed comes back.
async function typed(made, page, base, file) {
    writeFileSync(file, "up");
    await page.goto(`${base}/clients`);
    await page.fill("#reason", "Umbau & Pause");
    await page.fill("#until", "14:30");
    await made.clearCookies({ name: "__Host-elexgate" });
    await send(page, "form[action='/clients/block'] button.danger");
    assert((await page.innerText("main")).includes("Ihre Sitzung war zu Ende"), "it says that the session has ended");
    await page.fill("#name", NAME);
    await page.fill("#password", PASSWORD);
    await send(page, "form.card button");
    assertEqual(new URL(page.url()).pathname, "/clients", "back where one was");
    assertEqual(await page.inputValue("#reason"), "Umbau & Pause", "the reason is still there");
    assertEqual(await page.inputValue("#until"), "14:30", "and the time");
    await send(page, "form[action='/clients/block'] button.danger");
    await page.goto(`${base}/clients`);
    assertEqual(await page.inputValue("#reason"), "", "what was sent is not kept");
}

await scenario(async (chrome, base, [says, file]) => {
    const mades = [], pages = [];
    for (const [lang, width] of KINDS) {
        const made = await context(chrome, { lang, width, height: width < 500 ? 844 : 800 }), page = await made.newPage();
        await signIn(page, base, NAME, PASSWORD);
        mades.push(made);
        pages.push(page);
    }
    const sentences = JSON.parse(readFileSync(says, "utf8"));
    await states(pages, base, sentences, file);
    await gone(pages, base, file, sentences.up["/"]);
    for (const made of mades) made.complaints = made.complaints.filter((c) => !c.includes("ERR_"));
    await pages[0].goto(`${base}/?lang=de`);
    await instead(pages[0], base, file);
    await begun(pages[0], base, file);
    await typed(mades[0], pages[0], base, file);
    for (const made of mades) quiet(made, "states");
});
