// A tick each second for what counts down or says how long ago something was.
import { signal } from '@preact/signals'

export const tick = signal(0)
setInterval(() => { if (!document.hidden) tick.value++ }, 1000)
