// What the browser tests share: Debian's Chromium, a signed-in page, the checks that every page has to pass.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BROWSER = process.env.ELEXGATE_CHROMIUM ?? "/usr/bin/chromium";

export const NAME = "praxis", PASSWORD = "ein ganzer Satz als Passwort";
export const PAGES = ["/", "/clients", "/backups", "/timeline", "/schedule", "/restore", "/certificates", "/certificates/guide", "/log", "/account"];

// The certificates are believed by the whole browser, as by one that has the CA in its store: ignoreHTTPSErrors makes an exception
// for each certificate when a page meets it, and the first to meet a renewed one may be a download, which then ends as "canceled".
export async function browser() {
    return chromium.launch({
        executablePath: BROWSER,
        args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors"],
    });
}

// A context of its own: cookies, language, screen. What the page says against its own policy, and errors of scripts, end up in
// context.complaints: a test that ends with one fails.
export async function context(chrome, { lang = "de", width = 1280, height = 800, dark = false, script = true, reducedMotion = "reduce" } = {}) {
    const made = await chrome.newContext({
        locale: { de: "de-CH", en: "en-GB", fr: "fr-CH", it: "it-CH" }[lang],
        timezoneId: "Europe/Zurich",
        viewport: { width, height },
        colorScheme: dark ? "dark" : "light",
        javaScriptEnabled: script,
        reducedMotion,
        acceptDownloads: true,
    });
    made.complaints = [];
    made.on("page", (page) => {
        page.on("pageerror", (error) => made.complaints.push(`script: ${error.message}`));
        page.on("console", (message) => {
            // A refused form (422 and the like) is written there, too; only the policy's and the scripts' words count.
            if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) made.complaints.push(message.text());
        });
    });
    made.setDefaultTimeout(60000); // the machine does other things, too
    return made;
}

export async function signIn(page, base, name = NAME, password = PASSWORD) {
    await page.goto(`${base}/login`);
    await page.fill("#name", name);
    await page.fill("#password", password);
    await Promise.all([page.waitForURL((url) => url.pathname !== "/login"), page.click("form.card button")]);
}

// Serious and critical findings of axe-core, as text; empty when all is well.
export async function axe(page) {
    await page.evaluate(AXE);
    const result = await page.evaluate(() =>
        window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    return result.violations
        .filter((v) => ["serious", "critical"].includes(v.impact))
        .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
}

// Nothing is wider than the screen.
export async function overflow(page) {
    return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

// Texts that are squeezed into a column of a few letters: nothing is too wide then, and still nobody can read it.
export async function squeezed(page) {
    return page.evaluate(() => [...document.querySelectorAll("main p, main caption, main h1, main h2, main label, main td span, main button")]
        .filter((e) => e.offsetParent && !e.closest(".aside-text") && !e.matches(".aside-text") && e.innerText.length > 15 && e.clientWidth > 1 && e.clientWidth < 60)
        .map((e) => `${e.tagName}: ${e.innerText}`));
}

export function assert(condition, text) {
    if (!condition) throw new Error(text);
}

export function assertEqual(got, wanted, what) {
    assert(got === wanted, `${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`);
}

// Runs one scenario: fn(chrome, base, options) with $ELEXGATE_CONSOLE_URL and the words of the command line. When it fails, every
// open page is kept as a picture in $ELEXGATE_PICTURES, and the process ends with 1.
export async function scenario(fn) {
    const base = process.env.ELEXGATE_CONSOLE_URL.replace(/\/$/, ""), chrome = await browser();
    let status = 0;
    try {
        await fn(chrome, base, process.argv.slice(2));
    } catch (error) {
        status = 1;
        console.error(error.stack);
        let n = 0;
        for (const open of chrome.contexts()) {
            for (const page of open.pages()) {
                console.error(`on ${page.url()}:\n${await page.innerText("body").catch(() => "?")}`);
                if (process.env.ELEXGATE_PICTURES) await page.screenshot({ path: `${process.env.ELEXGATE_PICTURES}/failed-${++n}.png`, fullPage: true }).catch(() => {});
            }
        }
        console.error(`failed: ${error.message.slice(0, 1000)}`); // last, so that it is not cut off with a long page
    }
    await chrome.close();
    process.exitCode = status;
}

// Fails with what pages said against their own policy and with errors of scripts.
export function quiet(made, where) {
    assert(made.complaints.length === 0, `${where}: ${made.complaints.join("\n")}`);
}

// Sends a form by its button and waits for the next page.
export async function send(page, button) {
    const [response] = await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.locator(button).click()]);
    return response;
}

// The page may load itself anew meanwhile.
async function textsOf(page, selector) {
    for (let tries = 0; ; tries++) {
        try {
            return await page.locator(selector).allInnerTexts();
        } catch (error) {
            if (tries === 10 || !error.message.includes("context was destroyed")) throw error;
            await page.waitForLoadState("load");
        }
    }
}

// Until what is asked for is not refused because the keeper is at something of its own: a backup where the binary log began anew,
// its proof, what the schedule says. attempt() ends on the page that follows; any other refusal fails.
export async function accepted(page, attempt) {
    let text;
    for (let tries = 0; tries < 90; tries++) {
        await attempt();
        text = (await textsOf(page, "main > .note.bad:not(#offline)")).join("\n");
        if (!text) return;
        assert(text.includes("Gerade läuft schon etwas"), text);
        await page.waitForTimeout(1000);
    }
    throw new Error(text);
}

// What the restore page says of the one that went on, once it has ended.
export async function restored(page) {
    const last = page.locator("#last-restore"), state = last.locator(".state");
    await state.waitFor({ timeout: 300000 });
    assert((await state.getAttribute("class")).includes("good"), await last.innerText());
}

export async function flash(page, kind) {
    return page.locator(`main > .note.${kind}`).first().innerText();
}
