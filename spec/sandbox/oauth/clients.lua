-- The two registered clients, and how one authenticates: client_secret_basic,
-- client_secret_post, or by its name alone where it is public (RFC 6749 section 2.3).
-- Does not know: tokens.

local clients = {}

-- The secret has bytes that a form must encode.
local SECRETS = { app = "canary-secret +:%&=" }
local PUBLIC = { public = true }

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- The fields of a form (application/x-www-form-urlencoded) | nil: one came twice.
function clients.form(body)
  local fields = {}
  for field in body:gmatch "[^&]+" do
    local name, value = field:match "^([^=]*)=(.*)$"
    name, value = unescape(name or field), unescape(value or "")
    if fields[name] then return nil end
    fields[name] = value
  end
  return fields
end

local function by_basic(header)
  local pair = ngx.decode_base64(header:match "^[Bb]asic (%S+)$" or "")
  local id, secret = (pair or ""):match "^([^:]*):(.*)$"
  if id then return unescape(id), unescape(secret) end
end

--- The name of the client | nil, the OAuth error, what is wrong.
function clients.authenticate(header, form)
  local id, secret = form.client_id, form.client_secret
  if header then
    if secret then return nil, "invalid_request", "the client authenticates twice" end
    id, secret = by_basic(header)
    if form.client_id and form.client_id ~= id then return nil, "invalid_request", "the form names another client" end
  end
  if id and secret and SECRETS[id] == secret or not secret and PUBLIC[id] then return id end
  return nil, "invalid_client", "the client is unknown, or its authentication is wrong"
end

--- The secret of a client; that of a public one is empty.
function clients.secret(id)
  return SECRETS[id] or ""
end

function clients.exists(id)
  return SECRETS[id] ~= nil or PUBLIC[id] ~= nil
end

return clients
