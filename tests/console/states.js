// What the page says in each state of the whole. The file STATE switches what is played; SAYS has the sentences.
//   node states.js SAYS STATE
import { readFileSync, writeFileSync } from "node:fs";
import { assert, assertEqual, axe, context, flash, overflow, quiet, scenario, send, signIn } from "./lib.js";

const NAME = "admin", PASSWORD = "ein langes Passwort für Tests";
const KINDS = [["de", 1280], ["en", 1280], ["de", 390], ["en", 390]];
const DOTS = "#services .dot";

async function look(page, base, path, lang, must, never, where) {
    await page.goto(`${base}${path}?lang=${lang}`);
    const text = await page.innerText("main"), all = await page.evaluate(() => document.body.textContent);
    for (const sentence of must) assert(text.includes(sentence) || all.includes(sentence), `${where}: «${sentence}» is missing in:\n${text}`);
    for (const sentence of never) assert(!text.includes(sentence), `${where}: «${sentence}» must not be in:\n${text}`);
    assert((await overflow(page)) <= 0, `${where} is wider than the screen`);
    assertEqual((await axe(page)).join("\n"), "", `accessibility of ${where}`);
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
        for (const [path, [german, neverGerman, english, neverEnglish]] of Object.entries(paths)) {
            for (const [i, [lang, width]] of KINDS.entries()) {
                const [must, never] = lang === "de" ? [german, neverGerman] : [english, neverEnglish];
                await look(pages[i], base, path, lang, must, never, `${state} ${path} ${lang} ${width}`);
            }
        }
    }
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
    await states(pages, base, JSON.parse(readFileSync(says, "utf8")), file);
    await pages[0].goto(`${base}/?lang=de`);
    await instead(pages[0], base, file);
    await begun(pages[0], base, file);
    await typed(mades[0], pages[0], base, file);
    for (const made of mades) quiet(made, "states");
});
