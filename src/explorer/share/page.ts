/** @file A page in one file: the `<attention-view>` element, a trace and nothing else. Opens from disk with the network off. */

/** Text inside a script element can end it or begin a comment; both are broken up in a way JavaScript reads the same. */
export const inScript = (code: string): string => code.replace(/<\/(script)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");

export const inHtml = (text: string): string => text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Loads nothing from anywhere, whatever a token's text says. */
const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:";

export function onePage(o: {
  element: string;
  trace: string;
  title: string;
  about: string;
  layer: number;
  head: number;
  view: string;
  query: number;
  key: number;
}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${inHtml(o.title)}</title>
<style>body{margin:0;background:#faf9f5;font:15px/1.45 "Source Sans 3","Segoe UI",system-ui,sans-serif}@media(prefers-color-scheme:dark){body{background:#121317;color:#eceae4}}main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem}h1{font-size:1.25rem;margin:0 0 .5rem}footer{margin-top:1rem;font-size:.875rem}</style>
</head>
<body>
<main>
<h1>${inHtml(o.title)}</h1>
<attention-view controls layer="${o.layer}" head="${o.head}" view="${["lines", "arcs"].includes(o.view) ? o.view : "map"}" query="${o.query}" key="${o.key}"><script type="application/x-qkv-trace">${o.trace}</script></attention-view>
<footer>${inHtml(o.about)}</footer>
</main>
<script type="module">${inScript(o.element)}</script>
</body>
</html>
`;
}
