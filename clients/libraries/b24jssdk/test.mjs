// @bitrix24/b24jssdk, unchanged, against the sandbox at PORTAL_ORIGIN. Run by test_b24jssdk.py.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'

import { B24Hook, B24OAuth } from '@bitrix24/b24jssdk'

const ORIGIN = process.env.PORTAL_ORIGIN
const METHOD = 'imopenlines.crm.message.add'
const COUNT = 500

const message = (text) => ({
  CRM_ENTITY_TYPE: 'lead',
  CRM_ENTITY: 1195,
  USER_ID: 27,
  CHAT_ID: 1341,
  MESSAGE: text
})

const texts = (label) =>
  Array.from({ length: COUNT }, (_, number) => `${label} ${number}: a & b = 100 % + «ёж» [0]`)

async function control(method, path, body) {
  const answer = await fetch(`${ORIGIN}/sandbox/${path}`, { method, body: body && JSON.stringify(body) })
  assert.equal(answer.status, 200)
  return answer.json()
}

const entries = async () => (await control('GET', 'record')).entries

async function assertDelivered(sent) {
  const arrived = (await entries()).flatMap((entry) => entry.deliveries.map((delivery) => delivery.text))
  assert.deepEqual(arrived.toSorted(), sent.toSorted())
}

function hook(restrictions) {
  const client = B24Hook.fromWebhookUrl(`${ORIGIN}/rest/1/sandboxwebhook01/`, {
    restrictionParams: restrictions
  })
  client.offClientSideWarning()
  return client
}

beforeEach(async () => {
  for (const path of ['record', 'faults', 'switches']) {
    await control('DELETE', path)
  }
  await control('POST', 'limits', { intensity: 'standard' })
})

test('a single call gives the id of the message', async () => {
  const answer = await hook().actions.v2.call.make({ method: METHOD, params: message('hello') })
  assert.ok(answer.isSuccess)
  assert.ok(Number.isInteger(answer.getData().result))
  await assertDelivered(['hello'])
})

test('its health check passes', async () => {
  assert.ok(await hook().tools.healthCheck.make())
  assert.ok((await hook().tools.ping.make()) >= 0)
})

test('a refused call raises the code', async () => {
  const call = hook().actions.v2.call.make({ method: METHOD, params: { MESSAGE: 'x' } })
  await assert.rejects(call, (error) => error.code === 'ERROR_ARGUMENT' && error.status === 400)
})

test('a batch gives each command its result or error', async () => {
  const answer = await hook().actions.v2.batch.make({
    calls: { good: { method: METHOD, params: message('a & b') }, bad: { method: 'im.nothing', params: {} } },
    options: { isHaltOnError: false, returnAjaxResult: true }
  })
  const { good, bad } = answer.getData()
  assert.ok(good.isSuccess && Number.isInteger(good.getData().result))
  assert.ok(!bad.isSuccess)
  await assertDelivered(['a & b'])
})

test('five hundred in batches arrive once within the limits', async () => {
  const sent = texts('batch')
  const answer = await hook().actions.v2.batchByChunk.make({
    calls: sent.map((text) => [METHOD, message(text)]),
    options: { isHaltOnError: true }
  })
  assert.ok(answer.isSuccess, answer.getErrorMessages().join('; '))
  assert.equal(answer.getData().length, COUNT)
  await assertDelivered(sent)
  assert.equal((await entries()).length, COUNT / 50)
})

test('five hundred single calls arrive once', async () => {
  await control('POST', 'limits', { intensity: 'none' })
  const client = hook({ rateLimit: { burstLimit: COUNT, drainRate: COUNT, adaptiveEnabled: false } })
  const sent = texts('single')
  const answers = await Promise.all(
    sent.map((text) => client.actions.v2.call.make({ method: METHOD, params: message(text) }))
  )
  assert.equal(new Set(answers.map((answer) => answer.getData().result)).size, COUNT)
  await assertDelivered(sent)
})

test('an application refreshes its expired token and repeats the call', async () => {
  const client_id = 'local.5a6d0b0c8e1f27.10000001'
  const pair = await control('POST', 'oauth/grants', { client_id })
  await control('POST', 'tokens', { token: pair.access_token, state: 'expired' })
  const client = new B24OAuth(
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
    { clientId: client_id, clientSecret: 'sandboxclientsecret01' }
  )
  client.offClientSideWarning()
  const answer = await client.actions.v2.call.make({ method: METHOD, params: message('refreshed') })
  assert.ok(answer.isSuccess)
  await assertDelivered(['refreshed'])
  const refreshes = (await entries()).filter((entry) => entry.grant === 'refresh_token' && entry.executed)
  assert.equal(refreshes.length, 1)
})
