/**
 * @file A graphics card where there is none. A browser without one says so, and is then given 2D canvases in place of WebGL;
 * here it says that it has one, so that what is drawn by WebGL is seen to be right.
 */
import type { Page } from "playwright-core";

/** For the contexts made from now on, until what is returned is called. */
export async function withCard(page: Page): Promise<() => Promise<void>> {
  const own = await page.evaluateHandle(() => {
    const { getParameter } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.getParameter = function (name: number) {
      return name === 0x9246 || name === this.RENDERER ? "a graphics card" : getParameter.call(this, name);
    };
    return getParameter;
  });
  return () =>
    own.evaluate((getParameter) => {
      WebGL2RenderingContext.prototype.getParameter = getParameter;
    });
}
