// The one-time link: bad passwords are refused with words, a good one signs in, and the link works once.
//   node setup.js LINK
import { assert, assertEqual, axe, context, NAME, PASSWORD, quiet, scenario, send, signIn } from "./lib.js";

await scenario(async (chrome, base, [link]) => {
    const made = await context(chrome), page = await made.newPage();
    await page.goto(link);
    assertEqual((await axe(page)).join("\n"), "", "accessibility of the setup");
    const attempt = async (name, password, again) => {
        await page.fill("#name", name);
        await page.fill("#password", password);
        await page.fill("#again", again);
        await page.$eval("form.card", (form) => { form.noValidate = true; }); // what the server says, not the browser
        await send(page, "form.card button");
    };
    await attempt(NAME, PASSWORD, `${PASSWORD}!`);
    assert((await page.locator("[role=alert]").innerText()).includes("nicht gleich"), "two different passwords are told");
    assertEqual(await page.inputValue("#name"), NAME, "the name is still there");
    await attempt(NAME, "kurz", "kurz");
    assert((await page.locator("[role=alert]").innerText()).includes("mindestens 10"), "a short password is told");
    await attempt("<b>x", PASSWORD, PASSWORD);
    assert((await page.locator("[role=alert]").innerText()).includes("Buchstaben"), "a bad name is told");
    await attempt(NAME, PASSWORD, PASSWORD);
    assertEqual(new URL(page.url()).pathname, "/", "signed in after the setup");

    const cookies = await made.cookies();
    const session = cookies.find((c) => c.name === "__Host-elexgate");
    assert(session.httpOnly && session.secure && session.sameSite === "Strict", "the cookie is kept from scripts and other sites");

    const other = await context(chrome), second = await other.newPage();
    assertEqual((await second.goto(link)).status(), 403, "the link works once");
    await signIn(second, base);
    quiet(made, "setup");
});
