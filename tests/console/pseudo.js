// The page in the pseudo-language (po/compile.py --pseudo): every sentence in ⟦ ⟧ and a third longer. What stands outside of the brackets
// was never looked up in the catalogue, unless it is data; what becomes wider than a phone has no room for another language.
//   node pseudo.js [EXTRA-PATH...]
import { assertEqual, context, overflow, PAGES, quiet, scenario, signIn, squeezed } from "./lib.js";

// Names of people, machines, files, programs, options and moments: no words of ours.
const DATA = [
    /^[\d.:,’'\-+/%()–—→×·•…|]+$/, /^\S*\d\S*$/, /^(?:s|min|h|d|ms|[kMGTPE]?[Bo])$/, /^\S*[/_@=~.]\S+$/, /^--?\S+$/, /^(?:CN|O|OU)=\S+$/,
    /^[A-Z]{2,}[\w.-]*$/, /^\(?(?:elexgate|Elexgate|Elexis|MariaDB|praxis|elexis|elexisuser|localhost,?|CN|root|elexisdb|documents?|TLSv|Deutsch|English|Français|Italiano)\W*$/,
];

// What is shown outside of brackets: texts, and what browsers say of elements.
async function raw(page) {
    const texts = await page.evaluate(() => {
        const outside = (text) => {
            let depth = 0, kept = "";
            for (const c of text) {
                if (c === "⟦") depth++;
                if (depth === 0) kept += c;
                if (c === "⟧") { depth--; kept += " "; }
            }
            return kept;
        };
        const copy = document.documentElement.cloneNode(true);
        for (const e of copy.querySelectorAll("script, style, code, pre, kbd, samp, svg, [data-name], option[value*='/']")) e.remove();
        for (const e of copy.querySelectorAll("*")) e.append("\n");
        const found = outside(copy.textContent).split("\n");
        for (const e of document.querySelectorAll("*"))
            for (const name of ["aria-label", "title", "placeholder", "alt", "data-confirm", ...e.getAttributeNames().filter((n) => n.startsWith("data-t-"))])
                if (e.hasAttribute(name)) found.push(outside(e.getAttribute(name)));
        return found;
    });
    return [...new Set(texts.map((t) => t.trim()).filter((t) => !t.startsWith("CN=") && t.split(/\s+/).some((w) => /\p{L}{2}/u.test(w) && !DATA.some((d) => d.test(w)))))];
}

await scenario(async (chrome, base, extra) => {
    const told = [];
    for (const width of [390, 1280]) {
        const made = await context(chrome, { lang: "fr", width, height: 844 }), page = await made.newPage();
        await page.goto(`${base}/login`);
        told.push(...(await raw(page)).map((t) => `/login: raw: ${t}`));
        await signIn(page, base);
        for (const path of [...PAGES, ...extra]) {
            const where = `${path} at ${width}`;
            assertEqual((await page.goto(base + path)).status(), 200, where);
            told.push(...(await raw(page)).map((t) => `${path}: raw: ${t}`));
            if ((await overflow(page)) > 0) told.push(`${where}: wider than the screen`);
            told.push(...(await squeezed(page)).map((t) => `${where}: squeezed: ${t}`));
            if (process.env.ELEXGATE_PICTURES) await page.screenshot({ path: `${process.env.ELEXGATE_PICTURES}/pseudo${path.replaceAll("/", "-")}-${width}.png`, fullPage: true });
            quiet(made, where);
        }
        await made.close();
    }
    assertEqual([...new Set(told)].join("\n"), "", "in the pseudo-language");
});
