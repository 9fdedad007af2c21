// The table of all views: each is one file, in the order of the navigation. The digit that opens a view is its place.
import type { ComponentType } from 'preact'
import { overview } from './views/overview'
import { map } from './views/map'
import { channels } from './views/channels'
import { requests } from './views/requests'
import { conversations } from './views/conversations'
import { limits } from './views/limits'
import { configuration } from './views/configuration'
import { playground } from './views/playground'

export interface View {
  name: string // in the address
  title: string
  icon: string // path in a box of 24 by 24, drawn as a line
  Show: ComponentType
  keys?: [key: string, does: string][] // beside those of every view
}

export const views: View[] = [overview, map, channels, requests, conversations, limits, configuration, playground]
