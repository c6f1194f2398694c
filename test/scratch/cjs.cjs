const answerOnEachMount = require('./mounts.cjs')

const core = require('@signalbox/core')
const http = require('@signalbox/core/http')
const { default: hello } = require('@signalbox/plugin-hello')
const express = { framework: require('express'), signalbox: require('@signalbox/express').signalbox }
const koa = { Framework: require('koa'), signalbox: require('@signalbox/koa').signalbox }

void answerOnEachMount({ core, http, express, koa, hello }).then((result) => console.log(JSON.stringify(result)))
