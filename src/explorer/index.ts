// The public surface of "qkv/explorer".
export { type ExplorerOptions, type ExplorerServer, serveExplorer } from "./server/server.js"; // the page and its models, to this machine only
