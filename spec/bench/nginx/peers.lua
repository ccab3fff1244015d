-- What the worker under test does for the comparison of keepers with sessions that are
-- kept by hand: `peers.get` and `peers.refresh` of each way, by name.
-- Owns: a keeper over a shared dictionary, in each worker.
-- Does not know: the load.

local by_hand = require "spec.bench.nginx.by_hand"
local cjson = require "cjson"
local grid = require "grid"

local peers = {}

local config = {
  client_id = os.getenv "KEEPER_CLIENT_ID", client_secret = os.getenv "KEEPER_CLIENT_SECRET",
  port = tonumber(os.getenv("KEEPER_TOKEN_URL"):match ":(%d+)/"), path = os.getenv("KEEPER_TOKEN_URL"):match "%d(/.*)$",
}

local keepers = { file = require("spec.nginx.keeper_app").keeper }

keepers.keeper = grid.keeper {
  exchange = grid.exchange.oauth2 {
    token_url = os.getenv "KEEPER_TOKEN_URL", client_id = config.client_id, client_secret = config.client_secret,
  },
  store = grid.store.shdict { dict = "sessions" }, recheck = 60,
}

peers.get, peers.refresh = {}, {}

function peers.get.by_hand(id) return by_hand.get(config, id, false) end
function peers.refresh.by_hand(id) return by_hand.get(config, id, true) end

for way, keeper in pairs(keepers) do
  peers.get[way] = function(id) return keeper:get(id) end
  peers.refresh[way] = function(id) return keeper:refresh(id) end
end

--- Adds log-ins in the body of a request, a list, under the ids NAME1, NAME2 …
function peers.add()
  ngx.req.read_body()
  local given = cjson.decode(ngx.req.get_body_data() or io.open(ngx.req.get_body_file()):read "*a")
  for i, tokens in ipairs(given) do
    local part = { access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = tokens.expires_in }
    local keeper = keepers[ngx.var.arg_way]
    if keeper then assert(keeper:add("s" .. i, part)) else by_hand.add("s" .. i, part) end
  end
end

return peers
