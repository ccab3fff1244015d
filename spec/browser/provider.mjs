// An OpenID Connect provider for spec/browser: npm's oidc-provider with its pages for log-in and
// consent. It rotates each refresh token, and revokes the grant when a spent token is sent again.
// Prints its issuer. Commands come as lines on standard input, each is answered by a line:
//   hold      keeps the next refresh back, and answers with the port it came from
//   drop      closes the connection of the refresh that is kept back, which is not executed
//   counts    JSON: refreshes that were executed, tokens that came twice, grants that were revoked
// Ends with its input. Does not know: what is tested.

import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import Provider from 'oidc-provider'

const [secret, lifetime] = process.argv.slice(2)
const counts = { executed: 0, reused: 0, revoked: 0 }
let holding = null // answers the command `hold`
let held = null // socket of the refresh that is kept back

const server = createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://127.0.0.1:${server.address().port}`

console.warn = console.info = () => {} // oidc-provider warns of its development pages and keys
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'app', client_secret: secret, grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['http://localhost/callback'], application_type: 'native', token_endpoint_auth_method: 'client_secret_basic',
  }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: () => true,
  ttl: { AccessToken: Number(lifetime), IdToken: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  scopes: ['openid', 'offline_access'],
})
provider.on('refresh_token.consumed', () => { counts.executed += 1 })
provider.on('grant.error', (_, error) => { if (/used|consumed/.test(error.error_detail ?? '')) counts.reused += 1 })
provider.on('grant.revoked', () => { counts.revoked += 1 })

const handle = provider.callback()
server.on('request', (request, response) => {
  if (!holding || request.url !== '/token') return handle(request, response)
  held = request.socket
  console.log(held.remotePort)
  holding = false
})

console.log(issuer)
for await (const command of createInterface({ input: process.stdin })) {
  if (command === 'hold') holding = true
  if (command === 'counts') console.log(JSON.stringify(counts))
  if (command === 'drop') {
    held.destroy()
    console.log('dropped')
  }
}
process.exit(0)
