// The console goes away under an open page: it says so, with the time of what it shows, and recovers by itself.
import { assert, context, quiet, scenario, signIn } from "./lib.js";

await scenario(async (chrome, base) => {
    const made = await context(chrome), page = await made.newPage();
    await signIn(page, base);
    await page.goto(`${base}/`);
    assert(await page.locator("#offline").isHidden(), "all is well at first");
    console.log("OPEN");
    await page.locator("#offline").waitFor({ state: "visible", timeout: 60000 });
    const text = await page.locator("#offline").innerText();
    assert(/nicht erreichbar; Sie sehen den Stand von \d\d:\d\d/.test(text), text);
    console.log("OFFLINE");
    await page.locator("#offline").waitFor({ state: "hidden", timeout: 60000 });
    assert(await page.locator("#status .state").isVisible(), "the page is there again");
    made.complaints = made.complaints.filter((c) => !c.includes("ERR_"));
    quiet(made, "offline");
});
