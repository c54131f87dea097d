import type { Store } from "../state/store.js";
export async function shareAs(_store: Store, _name: string): Promise<void> {}
