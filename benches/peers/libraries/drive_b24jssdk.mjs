// @bitrix24/b24jssdk, the vendor's SDK for JavaScript, as its documentation has it.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const TASK = JSON.parse(process.env.TASK)
const METHOD = 'imopenlines.crm.message.add'

const installed = createRequire(pathToFileURL(`${TASK.libraries}/b24jssdk/package.json`))
const { B24Hook, B24OAuth } = installed('@bitrix24/b24jssdk')

const numbers = Array.from({ length: TASK.count }, (_, number) => number)
const parameters = (number) => ({
  CRM_ENTITY_TYPE: 'lead',
  CRM_ENTITY: 1195,
  USER_ID: 27,
  CHAT_ID: 1 + number,
  MESSAGE: `${number} Your order has left our warehouse and will arrive tomorrow.`
})

function application() {
  const pair = TASK.pair
  return new B24OAuth(
    {
      applicationToken: 'none',
      userId: pair.user_id,
      memberId: pair.member_id,
      accessToken: pair.access_token,
      refreshToken: pair.refresh_token,
      expires: pair.expires,
      expiresIn: pair.expires_in,
      scope: pair.scope,
      domain: new URL(pair.client_endpoint).host,
      clientEndpoint: pair.client_endpoint,
      serverEndpoint: pair.server_endpoint,
      status: pair.status
    },
    { clientId: TASK.application.client_id, clientSecret: TASK.application.client_secret }
  )
}

const client = TASK.way === 'token' ? application() : B24Hook.fromWebhookUrl(TASK.webhook)
client.offClientSideWarning()

async function told(call) {
  try {
    const answer = await call
    return answer.isSuccess ? null : answer.getErrorMessages()[0]
  } catch (error) {
    return `${error.code ?? error.name}`
  }
}

async function list() {
  const calls = numbers.map((number) => [METHOD, parameters(number)])
  const error = await told(client.actions.v2.batchByChunk.make({ calls, options: { isHaltOnError: true } }))
  return numbers.map(() => error)
}

const begun = performance.now()
const errors =
  TASK.way === 'list'
    ? await list()
    : await Promise.all(
        numbers.map((number) => told(client.actions.v2.call.make({ method: METHOD, params: parameters(number) })))
      )
const seconds = (performance.now() - begun) / 1000
const failed = Object.fromEntries(errors.map((error, number) => [number, error]).filter(([, error]) => error !== null))
process.stdout.write(JSON.stringify({ seconds, errors: failed }))
process.exit(0)
