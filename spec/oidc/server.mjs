// An authorization server for spec/oidc: npm's oidc-provider. It rotates each refresh token, and
// revokes the grant when a spent token is sent again. Prints its issuer; then, for each line
// { client, dpop_jwk } on standard input, the refresh token of a new grant. Ends with its input.
// Does not know: what is tested.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import Provider from 'oidc-provider'

const jwk = JSON.parse(process.argv[2]) // public key of the client that authenticates by private_key_jwt

const methods = {
  basic: 'client_secret_basic', post: 'client_secret_post', none: 'none', private_key_jwt: 'private_key_jwt',
}
const clients = Object.entries(methods).map(([id, method]) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: ['https://client.example.com/cb'],
  ...(method.startsWith('client_secret') && { client_secret: 'a secret: +/%&' }),
  ...(method === 'private_key_jwt' && { token_endpoint_auth_signing_alg: 'ES256', jwks: { keys: [jwk] } }),
}))

const server = createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://127.0.0.1:${server.address().port}`

console.warn = console.info = () => {} // oidc-provider warns of its development keys
const provider = new Provider(issuer, {
  clients,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: () => true,
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
  },
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], dPoPSigningAlgValues: ['ES256'] },
  scopes: ['openid', 'offline_access', 'extra'],
})
server.on('request', provider.callback())

// RFC 7638
const thumbprint = ({ x, y }) =>
  createHash('sha256').update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y })).digest('base64url')

async function issue({ client: id, dpop_jwk }) {
  const client = await provider.Client.find(id)
  const grant = new provider.Grant({ accountId: 'user', clientId: id })
  const scope = 'openid offline_access extra'
  grant.addOIDCScope(scope)
  const grantId = await grant.save()
  const token = new provider.RefreshToken({
    accountId: 'user', client, grantId, scope, gty: 'authorization_code', authTime: 1, claims: {}, sessionUid: 'x',
    expiresWithSession: false,
  })
  if (dpop_jwk) token.jkt = thumbprint(dpop_jwk)
  return token.save()
}

console.log(issuer)
for await (const line of createInterface({ input: process.stdin })) console.log(await issue(JSON.parse(line)))
process.exit(0)
