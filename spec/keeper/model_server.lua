-- A token endpoint with rotation, as a value: server, request and time in, server and
-- answer out.
-- Owns: what the kinds of server do with a token that comes twice. Does not know: the
-- protocol. Kinds: "idempotent", "grace", "strict" as in the keeper's table, "refusing":
-- a token that comes twice is refused, and the session lives on.

local server = {}

local function with(value, changes)
  local copy = {}
  for name, field in pairs(value) do copy[name] = field end
  for name, field in pairs(changes) do copy[name] = field end
  return copy
end

--- A token names its session: "t12@1".
function server.session_of(token)
  return token:match "@(%d+)$"
end

function server.new(kind, options)
  local self = { kind = kind, grace = options.grace or 0, omits = options.omits or 0, issued = 0, sessions = {}, read = {} }
  for name = 1, 2 do
    self.issued = self.issued + 1
    local token = ("t%d@%d"):format(self.issued, name)
    self.sessions[tostring(name)] = { current = token, answers = {}, key_of = {} }
  end
  return self
end

local function answer_with(self, session, name, request, changes, token)
  local answer = "a" .. self.issued + 1
  local result = { kind = "tokens", tokens = { refresh_token = token, access_token = answer }, answer = answer }
  local changed = with(session, changes)
  changed.answers = with(session.answers, { [request.key] = result })
  local sessions = with(self.sessions, { [name] = changed })
  return with(self, { issued = self.issued + 1, sessions = sessions, read = with(self.read, { [answer] = result }) }), result
end

local function issue(self, session, name, request, now)
  if self.omits > 0 then return answer_with(with(self, { omits = self.omits - 1 }), session, name, request, {}, nil) end
  local token = ("t%d@%s"):format(self.issued + 1, name)
  return answer_with(self, session, name, request, {
    current = token, previous = request.token,
    grace_until = session.previous == request.token and session.grace_until or now + self.grace,
  }, token)
end

local REJECT = { kind = "reject", code = "invalid_grant" }

--- Executes a request { key, token }. The third result names a broken promise of the
--- client.
function server.execute(self, request, now)
  local name = server.session_of(request.token)
  local session = self.sessions[name]
  local used = session.key_of[request.token]
  local problem = used and used ~= request.key and "two keys for one grant" or nil
  session = with(session, { key_of = with(session.key_of, { [request.token] = request.key }) })
  self = with(self, { sessions = with(self.sessions, { [name] = session }) })
  local stored = self.kind == "idempotent" and session.answers[request.key]
  if stored then return self, stored, problem end
  local is_current = request.token == session.current
  local is_in_grace = self.kind == "grace" and request.token == session.previous and now < session.grace_until
  if not session.is_revoked and (is_current or is_in_grace) then
    local after, result = issue(self, session, name, request, now)
    return after, result, problem
  end
  if self.kind == "refusing" then return self, REJECT, problem end
  return with(self, { sessions = with(self.sessions, { [name] = with(session, { is_revoked = true }) }) }), REJECT, problem
end

--- Is that the token which the session lives on?
function server.is_living(self, token)
  if not token then return false end
  local session = self.sessions[server.session_of(token)]
  return not session.is_revoked and session.current == token
end

return server
