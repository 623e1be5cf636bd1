/**
 * @import * as types from "./types.js"
 * @typedef {types.Action} Action
 * @typedef {types.Address} Address
 * @typedef {types.Close} Close
 * @typedef {types.Connection} Connection
 * @typedef {types.ConnectionEvents} ConnectionEvents
 * @typedef {types.Data} Data
 * @typedef {types.EndEvent} EndEvent
 * @typedef {types.Known} Known
 * @typedef {types.LostEvent} LostEvent
 * @typedef {types.Meaning} Meaning
 * @typedef {types.Options} Options
 * @typedef {types.Outcome} Outcome
 * @typedef {types.Profile} Profile
 * @typedef {types.RenewalOptions} RenewalOptions
 * @typedef {types.State} State
 * @typedef {types.Tabs} Tabs
 */
export { connect } from "./connect.js";
export { outcome } from "./outcome.js";
