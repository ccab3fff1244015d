-- Reads the endpoints of an authorization server from its metadata (RFC 8414).
-- Owns: the URLs of the metadata, and the checks. Pure: values in, values out.
-- Does not know: how the metadata is fetched, and how long its endpoints are used.

local json = require "grid.json"
local pasted = require "grid.pasted"
local transport = require "grid.http.options"

local metadata = {}

--- The URLs to try in turn: that of RFC 8414 section 3.1, then that of OpenID Connect
--- Discovery, since many servers have only the latter.
---@param issuer string
---@return string[]
function metadata.urls(issuer)
  local origin, path = issuer:match "^(%a+://[^/]+)(.-)/*$"
  return {
    origin .. "/.well-known/oauth-authorization-server" .. path,
    origin .. path .. "/.well-known/openid-configuration",
  }
end

local function refuse(code, format, ...)
  return nil, { kind = "refused", code = code, message = format:format(...) }
end

local function check_endpoint(name, url)
  if type(url) ~= "string" then return ("the metadata has no %s"):format(name) end
  local expected = transport.check_url(url)
  return expected and ("the %s of the metadata must be %s"):format(name, expected)
end

--- The endpoints in an answer. The issuer must be spelled exactly as configured (RFC 8414
--- section 3.3), since metadata of another issuer could send tokens to another server.
---@param answer { status: integer, body: string }
---@param issuer string
---@return { token_url: string, revocation_url: string? }? endpoints, table? failure
function metadata.read(answer, issuer)
  if answer.status ~= 200 then
    return refuse("metadata_http_" .. answer.status,
      "the request for the metadata of %s was answered with status %d: check the option 'issuer'", issuer, answer.status)
  end
  local value = json.decode(pasted.without_mark(answer.body))
  if type(value) ~= "table" then return refuse("metadata_unreadable", "the metadata of %s is not a JSON object", issuer) end
  if value.issuer ~= issuer then
    return refuse("metadata_issuer", "the metadata names another issuer: check the spelling of the option 'issuer'")
  end
  local problem = check_endpoint("token_endpoint", value.token_endpoint)
  local revocation_url = json.at(value, "revocation_endpoint")
  problem = problem or revocation_url ~= nil and check_endpoint("revocation_endpoint", revocation_url)
  if problem then return refuse("metadata_endpoint", "%s", problem) end
  return { token_url = value.token_endpoint, revocation_url = revocation_url }
end

return metadata
