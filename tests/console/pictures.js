// Pictures for the documentation (scripts/screenshots): the first account is made by the link, then page by page.
//   node pictures.js SETUP-LINK FOLDER
import { context, NAME, PASSWORD, scenario, send, signIn } from "./lib.js";

const PICTURES = [
    ["overview", "/", 1280], ["overview-phone", "/", 390], ["clients", "/clients", 1280], ["schedule", "/schedule", 1280],
    ["backups", "/backups", 1280], ["backups-phone", "/backups", 390], ["restore-plan", null, 1280], ["certificates", "/certificates", 1280],
];

await scenario(async (chrome, base, [link, folder]) => {
    const first = await context(chrome), page = await first.newPage();
    await page.goto(link);
    await page.fill("#name", NAME);
    await page.fill("#password", PASSWORD);
    await page.fill("#again", PASSWORD);
    await send(page, "form.card button");
    await first.close();
    for (const [name, path, width] of PICTURES) {
        const made = await context(chrome, { width, height: width < 500 ? 844 : 800 }), shown = await made.newPage();
        await shown.route("**/events", (route) => route.abort()); // nothing moves while it is taken
        await signIn(shown, base);
        await shown.goto(base + (path ?? "/restore"));
        if (!path) await send(shown, "#from-backup tbody tr:first-child a");
        await shown.waitForTimeout(500); // the chart
        // The folder as an installation has it, not that of this demo.
        await shown.evaluate(() => document.querySelectorAll("caption code").forEach((e) => { e.textContent = "/var/backups/elexgate"; }));
        await shown.screenshot({ path: `${folder}/${name}.png`, fullPage: true, clip: await shown.evaluate(() => ({ x: 0, y: 0, width: innerWidth, height: Math.min(document.documentElement.scrollHeight, 1400) })) });
        await made.close();
    }
});
