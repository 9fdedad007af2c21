// What the playground asks. It lives beside the views, so that another view can fill it in.
import { signal } from '@preact/signals'
import { address, go } from './route'

export const question = signal('What is a dragoman?')
export const system = signal('')

// askAgain fills the playground in and goes there.
export function askAgain(front: string, name: string, text: string, instructions: string): void {
  question.value = text
  system.value = instructions
  go(address('playground', { left: 'front:' + front, model: name, preset: name }))
}
