/** @file Finds a browser for the tests; on a bare Debian machine as root it installs the package `chromium`. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const candidates = [
  process.env.QKV_BROWSER,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/microsoft-edge",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
  `${process.env["ProgramFiles"]}\\Google\\Chrome\\Application\\chrome.exe`,
  `${process.env["ProgramFiles(x86)"]}\\Microsoft\\Edge\\Application\\msedge.exe`,
];

/** The path of an installed browser, or undefined. */
export function findBrowser() {
  return candidates.find((path) => path && existsSync(path));
}

/** As `findBrowser`, after trying to install Debian's package where that needs nobody's permission. */
export function ensureBrowser() {
  const found = findBrowser();
  if (found) return found;
  const bareDebian = existsSync("/etc/debian_version") && process.getuid?.() === 0;
  if (!bareDebian) return undefined;
  console.log("No browser found: installing the Debian package chromium (once) …");
  const apt = (...args) =>
    spawnSync("apt-get", args, { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
      .status === 0;
  apt("update");
  apt("install", "-y", "--no-install-recommends", "chromium");
  return findBrowser();
}

/**
 * Chromium's own features that are off while pages are looked at: Playwright's list as far as it concerns a page, which this one
 * replaces, and the address bar's suggestions, two pages of Chromium's own that each new window would load (a second of work).
 */
const withoutFeatures = [
  "WebUIOmniboxPopup",
  "WebUIOmniboxAimPopup",
  "AimEnabled",
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsFirstBalancedModeAutoEnable",
  "HttpsUpgrades",
  "LensOverlay",
  "MediaRouter",
  "NetworkTimeServiceQuerying",
  "OptimizationHints",
  "PaintHolding",
  "PreconnectToSearch",
  "ThirdPartyStoragePartitioning",
];

/** Starts the browser found, for tests and benches; whoever asks closes it. */
export async function launchBrowser(...args) {
  const { chromium } = await import("playwright-core");
  return chromium.launch({
    executablePath: findBrowser(),
    args: ["--no-sandbox", "--disable-dev-shm-usage", `--disable-features=${withoutFeatures.join(",")}`, ...args],
  });
}
