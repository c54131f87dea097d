import { mount } from "svelte";
import Attention from "./Attention.svelte";

mount(Attention, { target: document.getElementById("root"), props: { src: "run.safetensors" } });
