import * as core from '@signalbox/core'
import * as http from '@signalbox/core/http'
import { signalbox as onExpress } from '@signalbox/express'
import { signalbox as onKoa } from '@signalbox/koa'
import hello from '@signalbox/plugin-hello'
import framework from 'express'
import Framework from 'koa'
import answerOnEachMount from './mounts.cjs'

const express = { framework, signalbox: onExpress }
const koa = { Framework, signalbox: onKoa }
console.log(JSON.stringify(await answerOnEachMount({ core, http, express, koa, hello })))
