// Every page, in four languages, on a screen and on a phone, light and dark: nothing wider than the screen, no serious finding of
// axe-core, nothing against the page's own policy, no text missing, and readable without JavaScript.
//   node pages.js [EXTRA-PATH...]
import { assert, assertEqual, axe, context, overflow, PAGES, quiet, scenario, signIn, squeezed } from "./lib.js";

const KINDS = [
    { lang: "de", width: 1280, height: 800 },
    { lang: "en", width: 1280, height: 800, dark: true },
    { lang: "de", width: 390, height: 844, dark: true },
    { lang: "en", width: 390, height: 844 },
    { lang: "fr", width: 390, height: 844 },
    { lang: "it", width: 390, height: 844, dark: true },
];

async function look(page, made, path, base, lang) {
    const response = await page.goto(base + path), where = `${path} in ${lang}`;
    assertEqual(response.status(), 200, where);
    assertEqual(await page.getAttribute("html", "lang"), lang, `language of ${where}`);
    const policy = response.headers()["content-security-policy"];
    assert(policy.includes("default-src 'none'") && !policy.includes("unsafe"), `policy of ${where}: ${policy}`);
    assertEqual(await page.locator("h1").count(), 1, `headings of ${where}`);
    const text = await page.innerText("body");
    assert(!/\{\{|\}\}|undefined|NaN|\[object/.test(text), `a hole in ${where}:\n${text}`);
    assert(!text.includes("ß"), `${where} is not written as in Switzerland`);
    assert((await overflow(page)) <= 0, `${where} is wider than the screen`);
    assertEqual((await squeezed(page)).join("\n"), "", `squeezed in ${where}`);
    assertEqual((await axe(page)).join("\n"), "", `accessibility of ${where}`);
    quiet(made, where);
    return text;
}

await scenario(async (chrome, base, extra) => {
    const seen = {};
    for (const kind of KINDS) {
        const made = await context(chrome, kind), page = await made.newPage();
        assertEqual((await page.goto(`${base}/clients`)).url(), `${base}/login?next=/clients`, "a page without sign-in");
        assertEqual((await axe(page)).join("\n"), "", "accessibility of the sign-in");
        await signIn(page, base);
        for (const path of [...PAGES, ...extra]) (seen[path] ??= []).push(await look(page, made, path, base, kind.lang));
        const missing = await page.goto(`${base}/gibt-es-nicht`);
        assertEqual(missing.status(), 404, "a page that does not exist");
        await made.close();
    }
    for (const [path, texts] of Object.entries(seen)) assertEqual(new Set([texts[0], texts[1], texts[4], texts[5]]).size, 4, `languages of ${path}`);

    // without JavaScript, and the switch of the language
    const made = await context(chrome, { script: false }), page = await made.newPage();
    await signIn(page, base);
    for (const path of PAGES) {
        await page.goto(base + path);
        assert((await page.innerText("main")).length > 60, `${path} says nothing without JavaScript`);
        for (const hidden of await page.locator("[data-script]").all()) assert(!(await hidden.isVisible()), `${path} shows what needs JavaScript`);
    }
    await page.click("footer [lang=en]");
    assertEqual(await page.getAttribute("html", "lang"), "en", "the switch of the language");
    await page.goto(`${base}/`);
    assertEqual(await page.getAttribute("html", "lang"), "en", "the language is remembered");
    const elsewhere = await context(chrome, { lang: "it" }), other = await elsewhere.newPage();
    await signIn(other, base);
    assertEqual(await other.getAttribute("html", "lang"), "en", "it belongs to the account, whatever the browser");
    assertEqual(await other.evaluate(async () => (await fetch("/account/language", { method: "POST", body: new URLSearchParams({
        csrf: document.querySelector("footer [name=csrf]").value, language: "" }) })).status), 200, "the browser's language again");
    await elsewhere.close();
    await made.close();

    // the menu of a phone needs no JavaScript either
    const phone = await context(chrome, { width: 390, height: 844, script: false }), small = await phone.newPage();
    await signIn(small, base);
    assert(!(await small.isVisible("#menu")), "the menu is closed at first");
    await small.click(".menu-button");
    await small.click("#menu a[href='/log']");
    assertEqual(new URL(small.url()).pathname, "/log", "the menu leads to the log");
});
