// A backup opened for reading from its own page, looked into with the line that the page gives, and closed; German on a screen,
// English on a phone (each with each: states.js).
//   node opened.js SQL ANSWER [MOMENT ANSWER]    the answer to SQL in the old state; and as of MOMENT
import { execFileSync } from "node:child_process";
import { assert, assertEqual, axe, context, overflow, PASSWORD, quiet, scenario, send, signIn, squeezed } from "./lib.js";

const SAYS = {
    de: { title: "Zum Lesen öffnen", open: "Offen seit", until: "schliesst von selbst", account: "ohne Passwort", never: ["Open since", "Unpack"] },
    en: { title: "Open for reading", open: "Open since", until: "closes by itself", account: "without a password", never: ["Offen", "schliesst"] },
};

// As the admin copies it; we are root already.
function looked(command, sql) {
    const words = command.trim().split(/\s+/);
    assertEqual(words.shift(), "sudo", "the line begins with sudo");
    return execFileSync(words[0], [...words.slice(1), "-N", "-e", sql], { encoding: "utf8" }).trim();
}

async function goodPage(page, where) {
    assertEqual((await axe(page)).join("\n"), "", `accessibility of ${where}`);
    assert((await overflow(page)) <= 0, `${where} is wider than the screen`);
    assertEqual((await squeezed(page)).join("\n"), "", `texts of ${where}`);
}

async function opened(page, lang) {
    const card = page.locator("#opened");
    await card.locator(".state.good").waitFor({ timeout: 120000 });
    const text = await card.innerText();
    for (const words of [SAYS[lang].open, SAYS[lang].until, SAYS[lang].account]) assert(text.includes(words), `«${words}» in ${text}`);
    for (const words of SAYS[lang].never) assert(!text.includes(words), `«${words}» in ${text}`);
    return card.locator("pre").first().innerText();
}

async function closed(page) {
    await send(page, "#opened form[action='/backups/close'] button");
    await page.waitForFunction(() => !document.querySelector("#opened")?.childElementCount, null, { timeout: 60000 });
}

async function ask(page, password) {
    await page.click("#open summary");
    await page.fill("#open input[name=own_password]", password);
    await send(page, "#open button");
}

// It may have to wait: for the check of a password after a wrong one.
async function openedFrom(page, url) {
    for (let tries = 0; tries < 60 && (await page.locator("#opened > *").count()) === 0; tries++) {
        if (tries) await page.waitForTimeout(1000);
        await page.goto(url);
        await ask(page, PASSWORD);
    }
}

await scenario(async (chrome, base, [sql, answer, moment, then]) => {
    for (const [lang, width] of [["de", 1280], ["en", 390]]) {
        const made = await context(chrome, { lang, width }), page = await made.newPage(), where = `${lang} ${width}`;
        await signIn(page, base);
        await page.goto(`${base}/backups?lang=${lang}`);
        await page.click("#runs-table tbody th a >> nth=-1");
        assert((await page.innerText("#open summary")).includes(SAYS[lang].title), "the button's words");
        await goodPage(page, `a run's page ${where}`);
        if (width === 1280 && lang === "de") { // the next one may have to wait
            await ask(page, "nicht mein Passwort");
            assert(await page.locator("main > .note.bad").isVisible(), "a wrong password is refused");
            assertEqual(await page.locator("#opened > *").count(), 0, "and nothing is opened");
        }
        await page.goto(`${base}/backups`);
        await page.click("#runs-table tbody th a >> nth=-1");
        await openedFrom(page, page.url());
        const command = await opened(page, lang);
        await goodPage(page, `an open backup ${where}`);
        assertEqual(looked(command, sql), answer, "the state of then");
        await closed(page);
        assertEqual(await page.locator("main > .note.good").count(), 0, "what is said of one that is closed");
        quiet(made, where);
        await made.close();
    }
    if (moment) {
        const made = await context(chrome), page = await made.newPage();
        await signIn(page, base);
        await openedFrom(page, `${base}/restore?to=${encodeURIComponent(moment)}`);
        assertEqual(looked(await opened(page, "de"), sql), then, "as it was at that moment");
        await closed(page);
        quiet(made, "a moment");
    }
});
